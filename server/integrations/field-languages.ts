// Fields in the language of their reader: declared in one, with texts in others beside it.

import type { FieldError } from '../../shared/errors.ts'
import type { FormField } from '../../shared/fields.ts'
import { nearestLanguage } from '../../shared/languages.ts'
import { errorText } from './field-texts.ts'
import type { FieldSet, FieldTexts, TranslatedFields } from './integration.ts'

/** Texts by field, then by language in lower case. */
export type LocalesByField = ReadonlyMap<string, ReadonlyMap<string, FieldTexts>>

/** What fields are declared in, unless they have texts in it, too. */
const declaredIn = 'en'

/** Gives fields a `translate`; none where no field has another language. */
export function translation(
  form: readonly FormField[],
  locales: LocalesByField,
): Pick<FieldSet, 'translate'> {
  const languages = new Set([...locales.values()].flatMap((texts) => [...texts.keys()]))
  if (languages.size === 0) return {}
  const made = new Map<string, TranslatedFields>()
  return {
    translate(wanted) {
      const language = nearestLanguage(wanted, (tag) => languages.has(tag) || tag === declaredIn)
      if (language === undefined || !languages.has(language)) return undefined
      const known = made.get(language) ?? translated(form, locales, language)
      made.set(language, known)
      return known
    },
  }
}

function translated(form: readonly FormField[], locales: LocalesByField, language: string): TranslatedFields {
  const textsOf = (name: string): FieldTexts => locales.get(name)?.get(language) ?? {}
  return {
    language,
    field: (field) => withTexts(field, textsOf(field.name)),
    errors: (errors) =>
      errors.map((error) => {
        const field = form.find(({ name }) => name === error.field)
        if (!field) return error
        const texts = textsOf(field.name)
        return {
          ...error,
          message: wordsFor(error, { ...texts, title: texts.title ?? field.schema.title }, language),
        }
      }),
  }
}

function withTexts(field: FormField, texts: FieldTexts): FormField {
  const { title, description, placeholder, patternMessage, optionLabels } = texts
  const schema = {
    ...field.schema,
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
  }
  return {
    ...field,
    schema,
    ...(placeholder === undefined ? {} : { placeholder }),
    ...(patternMessage === undefined ? {} : { patternMessage }),
    // Choices that were loaded have the names that the provider gives them.
    ...(optionLabels === undefined || field.options ? {} : { optionLabels }),
  }
}

/** Of a language that only the host knows, what the host did not word stays in the language of the declaration. */
function wordsFor(
  { reason, message }: FieldError,
  { title, patternMessage, rejectedMessage }: FieldTexts & { readonly title: string },
  language: string,
): string {
  const own = reason === 'pattern' ? patternMessage : reason === 'rejected' ? rejectedMessage : undefined
  return own ?? errorText(language, reason, title) ?? message
}

// The words of the built-in integrations' forms and scopes in other languages than English, which stands where the fields are
// declared. A language more is a module more in texts/ and a line here.

import type { FieldError } from '../../shared/errors.ts'
import { baseLanguage } from '../../shared/languages.ts'
import type { FieldTexts } from './integration.ts'
import { texts as ar } from './texts/ar.ts'
import { texts as de } from './texts/de.ts'
import { texts as es } from './texts/es.ts'
import { texts as fr } from './texts/fr.ts'
import { texts as ja } from './texts/ja.ts'
import { texts as pt } from './texts/pt.ts'

/** The fields of the built-in integrations that have texts. */
export type FieldName =
  | 'airtableToken'
  | 'apiKey'
  | 'clientId'
  | 'clientSecret'
  | 'githubToken'
  | 'openaiKey'
  | 'password'
  | 'salesforceDomain'
  | 'shop'
  | 'slackChannel'
  | 'stripeKey'
  | 'twilioSid'
  | 'twilioToken'
  | 'username'
  | 'zendeskSubdomain'

/** The labels of methods, with `{name}` of the integration. */
export type LabelName =
  | 'signIn'
  | 'signInElsewhere'
  | 'connectWith'
  | 'clientCredentials'
  | 'apiKey'
  | 'basic'
  | 'personalToken'
  | 'restrictedKey'
  | 'sidAndToken'
  | 'changeChannel'

/** Everything in one language. */
export interface IntegrationTexts {
  /** Of fields. */
  readonly fields: Readonly<Record<FieldName, FieldTexts>>
  /** Of methods, with `{name}`. */
  readonly labels: Readonly<Record<LabelName, string>>
  /** Scopes in words, by the English words. */
  readonly scopes: Readonly<Record<string, string>>
  /** What is wrong at a field that has no words of its own for it, with `{title}`. */
  readonly errors: Readonly<Record<FieldError['reason'], string>>
}

/** The languages besides English. */
export const languages: Readonly<Record<string, IntegrationTexts>> = { ar, de, es, fr, ja, pt }

const inEach = <T>(pick: (texts: IntegrationTexts) => T): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(languages).map(([language, texts]) => [language, pick(texts)]))

/** A field's texts by language, for `locales` of its meta. */
export const fieldTexts = (name: FieldName): Readonly<Record<string, FieldTexts>> =>
  inEach(({ fields }) => fields[name])

/** A method's label by language. */
export const methodLabels = (name: LabelName, integration: string): Readonly<Record<string, string>> =>
  inEach(({ labels }) => labels[name].replace('{name}', () => integration))

/** Scopes in words by language, of those whose English words are known. */
export function scopeTexts(
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const known = Object.entries(labels)
  return inEach(({ scopes }) =>
    Object.fromEntries(
      known.flatMap(([scope, label]) => {
        const text = Object.hasOwn(scopes, label) ? scopes[label] : undefined
        return text === undefined ? [] : [[scope, text]]
      }),
    ),
  )
}

/** What is wrong at a field, in the language; undefined where that is none of those here. */
export function errorText(language: string, reason: FieldError['reason'], title: string): string | undefined {
  const base = baseLanguage(language)
  if (!Object.hasOwn(languages, base)) return undefined
  return languages[base]?.errors[reason].replace('{title}', () => title)
}

// What the pages say to the person in front of them. One module for each language, read when somebody needs it.

import type { ErrorCode } from '../../shared/errors.ts'
import { acceptedLanguages, baseLanguage, nearestLanguage } from '../../shared/languages.ts'
import { texts as english } from './texts/en.ts'

/** Texts of one language. `{name}` is the integration's, `{host}` the page's that asks. */
export interface PageTexts {
  /** Title while the browser is sent on to the provider. */
  readonly leaving: string
  /** Below it: what to do when nothing happens. */
  readonly leavingHint: string
  /** Button and link that lead on. */
  readonly goOn: string
  /** Title after success, with `{name}`. */
  readonly connected: string
  /** Title after a refusal, with `{name}`. */
  readonly cancelled: string
  /** Title after a failure, with `{name}`. */
  readonly failed: string
  /** Title when a step is left on the page where it began, with `{name}`. */
  readonly almost: string
  /** Title of the landing page of a link, with `{name}`. */
  readonly linkTitle: string
  /** Below it, with `{host}`. */
  readonly linkHint: string
  /** Title of a connect page, with `{host}`, who asks. */
  readonly pageTitle: string
  /** Below it, with `{host}`. */
  readonly pageHint: string
  /** Button that connects again what is connected, with `{name}`. */
  readonly again: string
  /** Button that ends a connection, with `{name}`. */
  readonly disconnect: string
  /** Link that leads back, with `{host}`. */
  readonly back: string
  /** Where scripts are off. */
  readonly needsScript: string
  /** The window may be closed. */
  readonly closeHint: string
  /** The browser goes back. */
  readonly returnHint: string
  /** Title where no flow can be told. */
  readonly broken: string
  /** Before the code of an error. */
  readonly code: string
  /** What to do about an error, for the codes a person can do something about. */
  readonly advice: Readonly<Partial<Record<ErrorCode, string>>>
  /** What to do about all other errors. */
  readonly otherAdvice: string
}

/** Texts of the host's own by language (`de`, `pt-BR`): those that are there go before the built-in ones. */
export type OwnPageTexts = Readonly<Record<string, Partial<PageTexts>>>

/** Texts as a page shows them. */
export interface LanguageTexts extends PageTexts {
  /** For `lang`. */
  readonly language: string
  /** For `dir`. */
  readonly direction: 'ltr' | 'rtl'
}

const languages: Readonly<Record<string, () => Promise<{ readonly texts: PageTexts }>>> = {
  ar: () => import('./texts/ar.ts'),
  de: () => import('./texts/de.ts'),
  en: () => Promise.resolve({ texts: english }),
  es: () => import('./texts/es.ts'),
  fr: () => import('./texts/fr.ts'),
  ja: () => import('./texts/ja.ts'),
  pt: () => import('./texts/pt.ts'),
}

/** Written from right to left. */
const fromTheRight = /^(ar|fa|he|ur|yi|ps|sd|ug|dv)\b/

/**
 * The texts for a locale such as `de-AT`: the nearest language that is there, with the host's own words. Without a locale,
 * or without texts for it, the browser's languages decide; at last it is English.
 *
 * @param acceptLanguage the request's header of that name
 */
export async function textsFor(
  locale: string | undefined,
  acceptLanguage: string | undefined,
  own: OwnPageTexts = {},
): Promise<LanguageTexts> {
  const wanted = [...(locale === undefined ? [] : [locale]), ...acceptedLanguages(acceptLanguage)]
  const words = new Map(Object.entries(own).map(([tag, texts]) => [tag.toLowerCase(), texts]))
  const language = nearestLanguage(wanted, (tag) => words.has(tag) || Object.hasOwn(languages, tag)) ?? 'en'
  const base = baseLanguage(language)
  const { texts } = (await languages[base]?.()) ?? { texts: english }
  return {
    ...texts,
    ...words.get(base),
    ...words.get(language),
    advice: { ...texts.advice, ...words.get(base)?.advice, ...words.get(language)?.advice },
    language,
    direction: fromTheRight.test(language) ? 'rtl' : 'ltr',
  }
}

/** The text with its placeholders filled in. */
export const fillText = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(/\{(\w+)\}/g, (_, key: string) => values[key] ?? '')

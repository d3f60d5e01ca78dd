// Which language to speak: what a reader wants, and the nearest of what there is.

/** Headers longer than this are read no further. */
const maxHeaderLength = 256

const maxTagLength = 64
const tagPattern = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/

/** True for what is written like a language tag: `de`, `pt-BR`, `zh-Hant-TW`. */
export const isLanguageTag = (tag: string): boolean => tag.length <= maxTagLength && tagPattern.test(tag)

/** Languages of an `Accept-Language` header, the dearest first (RFC 9110 section 12.5.4); empty where it names none. */
export function acceptedLanguages(header = ''): string[] {
  return header
    .slice(0, maxHeaderLength)
    .split(',')
    .map((part) => {
      const [tag = '', quality = 'q=1'] = part.split(';').map((each) => each.trim())
      return { tag, weight: Number(quality.replace(/^q=/, '')) || 0 }
    })
    .filter(({ tag, weight }) => isLanguageTag(tag) && weight > 0)
    .sort((left, right) => right.weight - left.weight)
    .map(({ tag }) => tag)
}

/**
 * The nearest of the languages that there are, for a reader who wants the first of a list most: `de` serves `de-AT`, too.
 * Undefined where none fits. Case does not matter; the answer is as `available` has it, in lower case.
 */
export function nearestLanguage(
  wanted: readonly string[],
  available: (tag: string) => boolean,
): string | undefined {
  const tags = wanted.flatMap((tag) => [tag.toLowerCase(), baseLanguage(tag)])
  return tags.find(available)
}

/** `de` of `de-AT`. */
export const baseLanguage = (tag: string): string => tag.toLowerCase().replace(/-.*/s, '')

// Named pure steps that bring a typed value into its one form, run by the browser and again by the server. A closed
// list: a step is data, so that the browser can run what the server's schema says without code from it.

/** A named step, alone or with its argument. */
export type NormaliseStep =
  /** Drops white space around the value. */
  | 'trim'
  /** Lower case, the same in every language. */
  | 'lower'
  /** Drops `http://` and `https://` in front. */
  | 'stripScheme'
  /** Drops everything from the first `/`, `?` or `#`. */
  | 'stripPath'
  /** Drops dots at the end: `example.com.` is `example.com`. */
  | 'stripTrailingDot'
  /** Completes a bare label to a host name: appends the text unless the value is empty or has a dot already. */
  | readonly ['addSuffix', string]
  /** Drops the text from the beginning, once in each pass. */
  | readonly ['stripPrefix', string]
  /** Drops the text from the end, as often as it stands there. */
  | readonly ['stripSuffix', string]

/** Longest value that the steps look at, in UTF-16 units. A field takes half of it at most, see `maxFieldLength`. */
export const maxNormaliseLength = 16_384

/** One step may lay bare what an earlier one removes (`https:// x`); each pass shortens, so a few are enough. */
const maxPasses = 16

/**
 * The value after all steps, in order, repeated until nothing changes: a value that went through once comes back as it
 * is, so that browser and server see the same one. Pure and total: never throws. An empty value stays empty. A value
 * that is too long comes back cut and otherwise untouched; no field accepts it.
 */
export function normalise(value: string, steps: readonly NormaliseStep[]): string {
  if (value.length > maxNormaliseLength) return value.slice(0, maxNormaliseLength)
  let result = value
  for (let pass = 0; pass < maxPasses; pass++) {
    const before = result
    for (const step of steps) result = runStep(result, step)
    if (result === before) break
  }
  return result
}

function runStep(value: string, step: NormaliseStep): string {
  // The dot is for `stripTrailingDot`, which is among the rest.
  const [name, text] = typeof step === 'string' ? [step, '.'] : step
  switch (name) {
    case 'trim':
      return value.trim()
    case 'lower':
      return value.toLowerCase()
    case 'stripScheme':
      return value.replace(/^(?:https?:\/\/)+/i, '')
    case 'stripPath':
      return value.replace(/[/?#].*$/s, '')
    case 'stripPrefix':
      return value.startsWith(text) ? value.slice(text.length) : value
    case 'addSuffix':
      return value === '' || value.includes('.') || value.endsWith(text) ? value : value + text
    default:
      return stripEnd(value, text)
  }
}

/** By hand: a pattern that may match at every place takes quadratic time on a long run of the text. */
function stripEnd(value: string, text: string): string {
  if (text === '') return value
  let end = value.length
  while (value.endsWith(text, end)) end -= text.length
  return value.slice(0, end)
}

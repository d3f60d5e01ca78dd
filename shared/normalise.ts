// Named pure steps that bring a typed value into its one form, run by the browser and again by the server. A closed
// list: a step is data, so that the browser can run what the server's schema says without code from it.

/** A named step, alone or with its argument. */
export type NormaliseStep =
  | 'trim'
  | 'lower'
  | 'stripScheme'
  | 'stripPath'
  | 'stripTrailingDot'
  | readonly ['addSuffix', string]
  | readonly ['stripSuffix', string]

/** Longest text that the steps look at; longer input comes back cut so that its length check fails fast. */
const maxInput = 8192

/** The value after all steps, in order. Pure and total: never throws. An empty value stays empty. */
export function normalise(value: string, steps: readonly NormaliseStep[]): string {
  let result = value.slice(0, maxInput)
  for (const step of steps) result = runStep(result, step)
  return result
}

function runStep(value: string, step: NormaliseStep): string {
  if (typeof step !== 'string') {
    const [name, text] = step
    if (name === 'addSuffix') return value === '' || value.endsWith(text) || value.includes('.') ? value : value + text
    return value.endsWith(text) ? value.slice(0, -text.length) : value
  }
  switch (step) {
    case 'trim':
      return value.trim()
    case 'lower':
      return value.toLowerCase()
    case 'stripScheme':
      return value.replace(/^https?:\/\//i, '')
    case 'stripPath':
      return value.replace(/[/?#].*$/s, '')
    case 'stripTrailingDot':
      return value.replace(/\.$/, '')
  }
}

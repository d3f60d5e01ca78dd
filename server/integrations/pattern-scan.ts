// Whether a regular expression means the same with and without zod, in the browser and on the server. The browser
// gets its source alone and compiles it with the flag `u`.

/** What is wrong with the pattern of a field, to be read after "its pattern"; undefined when nothing is. */
export function scanPattern(pattern: RegExp): string | undefined {
  const { source, flags } = pattern
  if (flags !== '' && flags !== 'u')
    return `has the flags \`${flags}\`; only \`u\` can be passed on to the browser`
  if (!compiles(source)) return 'is not valid with the flag `u`'
  const { anchored, alternates, meetsAnything } = scan(source)
  if (!anchored || alternates) return 'must be anchored: `^(?:…)$`'
  // Without `u` such a part matches half of a character that takes two units.
  if (flags === '' && meetsAnything) return 'needs the flag `u`, because it has `.`, `[^…]` or the like'
  return undefined
}

function compiles(source: string): boolean {
  try {
    return new RegExp(source, 'u').source === source
  } catch {
    return false
  }
}

interface Findings {
  /** Begins with `^` and ends with `$`. */
  readonly anchored: boolean
  /** Has a `|` outside of any group, which an anchor at one end does not reach. */
  readonly alternates: boolean
  /** Has a part that matches characters it does not name: `.`, `[^…]`, `\W`, or one beyond the basic plane. */
  readonly meetsAnything: boolean
}

/** One walk over the source of a pattern that is known to compile. */
function scan(source: string): Findings {
  let depth = 0
  let inClass = false
  let alternates = false
  let meetsAnything = !/^[\0-\x7f]*$/.test(source)
  let lastEscaped = false
  for (let at = 0; at < source.length; at++) {
    const sign = source[at]
    lastEscaped = sign === '\\'
    if (sign === '\\') {
      at++
      if (/[DSWPpBu]/.test(source[at] ?? '')) meetsAnything = true
    } else if (inClass) {
      inClass = sign !== ']'
    } else if (sign === '[') {
      inClass = true
      if (source[at + 1] === '^') meetsAnything = true
    } else if (sign === '(') depth++
    else if (sign === ')') depth--
    else if (sign === '.') meetsAnything = true
    else if (sign === '|' && depth === 0) alternates = true
  }
  return {
    anchored: source.startsWith('^') && source.endsWith('$') && !lastEscaped,
    alternates,
    meetsAnything,
  }
}

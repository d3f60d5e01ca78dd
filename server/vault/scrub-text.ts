// Secrets inside text: log messages, error messages, stacks, URLs. Told by their shape or by the name in front of them;
// rather too much is taken out than too little. Every pattern is linear in the length of the text.

import { secretMark } from './secret.ts'

/** Longer text is not looked at and not shown. */
const maxScrubLength = 65_536

/** Names whose value is secret wherever they stand in a query, a fragment or a form. */
const parameter =
  '[\\w.-]{0,64}(?:code|state|token|key|secret|sig|password|passwd|assertion|verifier|hmac|ticket|nonce)[\\w.-]{0,64}'

/** Names that are clear without a `?` or `&` in front, as in JSON, a form body or a header. */
const clearName =
  '(?:access|refresh|id|bot|connect)[_-]?token|client[_-]?secret|api[_-]?key|secret[_-]?key|private[_-]?key|password|passwd|code[_-]?verifier|authorization'

const rules: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // Our own keys and tokens, whole or cut.
  [/ctk_[a-z]{2}_[\w-]*/gi, secretMark],
  // Tokens that providers made easy to tell: Slack, GitHub, Shopify, Airtable, Stripe, JSON Web Tokens.
  [/\bxox[a-z](?:\.xox[a-z])?-[\w-]+/gi, secretMark],
  [/\b(?:gh[a-z]_|github_pat_)\w{16,}/gi, secretMark],
  [/\bshp[a-z]{2,3}_[0-9a-f]{16,}/gi, secretMark],
  [/\bpat\w{14}\.[0-9a-f]{64}\b/gi, secretMark],
  [/\b[srp]k_(?:live|test)_\w{8,}/gi, secretMark],
  [/\beyJ[\w-]{16,}(?:\.[\w-]*){0,4}/g, secretMark],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}-----)?/g, secretMark],
  // What stands before the host of a URL, such as a database's password.
  [/(:\/\/)[^\s/?#@"'<>]+@/g, `$1${secretMark}@`],
  // Credentials of an Authorization header. «Basic» is also a word, so what follows it must not be one.
  [/\b(bearer|dpop)(\s{1,8}|%20|\+)[\w.~+/=%-]{4,}/gi, `$1$2${secretMark}`],
  [/\b([Bb]asic)(\s{1,8}|%20|\+)(?=[a-z+/]{0,64}[A-Z0-9=])[\w+/=%-]{4,}/g, `$1$2${secretMark}`],
  // Parameters of a URL, also of one that was encoded to stand inside another.
  [
    new RegExp(`([?&#;]|%3F|%26|%23)(${parameter})(=|%3D)(?:(?!%26|%23)[^&#\\s"'<>])*`, 'gi'),
    `$1$2$3${secretMark}`,
  ],
  // A rule for each quote, which stays the one that it was: what closes it must close it the second time, too.
  [
    new RegExp(`\\b(${clearName})(\\\\?["']?\\s{0,8}[:=]\\s{0,8})\\\\?"(?:[^"\\\\]|\\\\.)*`, 'gi'),
    `$1$2"${secretMark}`,
  ],
  [
    new RegExp(`\\b(${clearName})(\\\\?["']?\\s{0,8}[:=]\\s{0,8})\\\\?'(?:[^'\\\\]|\\\\.)*`, 'gi'),
    `$1$2'${secretMark}`,
  ],
  [new RegExp(`\\b(${clearName})(\\s{0,8}[:=]\\s{0,8})[^\\s"'&,;}]+`, 'gi'), `$1$2${secretMark}`],
  [/\b(code|state|token|secret|key)=[\w.~%+/=-]{8,}/gi, `$1=${secretMark}`],
]

/** The text with every secret replaced by `[secret]`. Idempotent. */
export function scrubText(text: string): string {
  if (text.length > maxScrubLength) return `[text of ${text.length} characters]`
  let result = text
  for (const [pattern, replacement] of rules) result = result.replace(pattern, replacement)
  return result
}

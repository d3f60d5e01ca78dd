// Several texts as one, so that different lists never look alike: `3:abc,0:,` (cr.yp.to/proto/netstrings.txt).

/** The texts joined, each with its length in UTF-8 bytes. Texts must be well-formed. */
export function netstrings(...texts: readonly string[]): string {
  let joined = ''
  for (const text of texts) joined += `${Buffer.byteLength(text)}:${text},`
  return joined
}

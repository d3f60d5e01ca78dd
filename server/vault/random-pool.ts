// Random bytes for salts and nonces, drawn from the system in larger pieces: one draw costs about as much as a draw of
// 8 KB, and a run seals several small values. Only for bytes that stand in the sealed value anyway, never for keys.

import { randomFillSync } from 'node:crypto'

const pool = Buffer.alloc(8192)
let used = pool.length

/** Random bytes that nobody else gets, at most 8192. */
export function takeRandomBytes(size: number): Buffer {
  if (size > pool.length) throw new RangeError(`at most ${pool.length} bytes at a time`)
  if (used + size > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const bytes = Buffer.from(pool.subarray(used, used + size))
  used += size
  return bytes
}

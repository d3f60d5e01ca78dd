// The limit on commands, with commands that end in every way.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { rejectsWith } from './contract-fixtures.ts'
import { withinLimit } from './mongo-limit.ts'

const never = new Promise<never>(() => undefined)

describe('withinLimit', () => {
  it('gives what the command gives, and throws what it throws', async () => {
    assert.equal(await withinLimit(() => Promise.resolve(7)), 7)
    const error = new Error('no')
    await assert.rejects(
      withinLimit(() => Promise.reject(error)),
      error,
    )
  })

  it('throws store_unavailable for a command that does not end', () =>
    rejectsWith('store_unavailable', () => withinLimit(() => never, 5)))

  it('takes no notice of an answer that comes too late', async () => {
    const late = setTimeout(20).then(() => {
      throw new Error('late')
    })
    const limited = withinLimit(() => late, 5)
    await rejectsWith('store_unavailable', () => limited)
    await assert.rejects(late)
    await rejectsWith('store_unavailable', () => limited)
  })
})

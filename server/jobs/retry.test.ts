import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { retry } from '../../shared/retry.ts'
import { retryDelay } from './retry.ts'

const delays = (options: Parameters<typeof retryDelay>[1], random = 0): (number | undefined)[] =>
  Array.from({ length: 9 }, (_, index) => retryDelay(index + 1, options, () => random))

describe('retryDelay', () => {
  it('counts attempts, so that limit 8 gives seven retries', () => {
    assert.deepEqual(delays(retry.standardBackoff), [
      500,
      500,
      900,
      1620,
      2916,
      5249,
      9448,
      undefined,
      undefined,
    ])
    assert.deepEqual(delays(retry.exponentialBackoff), [
      1000,
      1000,
      2000,
      4000,
      8000,
      16000,
      30000,
      undefined,
      undefined,
    ])
  })

  it('does not retry with a limit of 0 or 1', () => {
    assert.equal(
      retryDelay(1, { limit: 0 }, () => 0),
      undefined,
    )
    assert.equal(
      retryDelay(1, { limit: 1 }, () => 0),
      undefined,
    )
  })

  it('fills in what an empty policy leaves out', () => {
    assert.deepEqual(delays({}).slice(0, 5), [1000, 1000, 1800, 3240, undefined])
  })

  it('fills in what is there and undefined, as a setting that is not set is', () => {
    const unset = Object.fromEntries(
      ['limit', 'factor', 'minTimeoutInMs', 'maxTimeoutInMs', 'randomize'].map((name) => [name, undefined]),
    )
    assert.deepEqual(delays(unset), delays({}))
  })

  it('spreads up to twice the base, and not at all when told so', () => {
    assert.equal(
      retryDelay(1, { minTimeoutInMs: 100 }, () => 0.999),
      200,
    )
    assert.equal(
      retryDelay(1, { minTimeoutInMs: 100, randomize: false }, () => 0.999),
      100,
    )
  })

  it('never exceeds the maximum and takes a minimum of 0 as 1 ms', () => {
    assert.equal(
      retryDelay(7, { limit: 9, maxTimeoutInMs: 50 }, () => 0.5),
      50,
    )
    assert.equal(
      retryDelay(1, { minTimeoutInMs: 0, randomize: false }, () => 0),
      1,
    )
  })
})

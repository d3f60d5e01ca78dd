import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { draw, readBounds } from './random.ts'

const call = { key: 'k', job: 'j' }
const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const bound = fc.double({ min: -1e9, max: 1e9, noNaN: true })

describe('random numbers of a run', () => {
  it('lie between their bounds, whole ones on whole numbers', () => {
    fc.assert(
      fc.property(bound, bound, fraction, fc.boolean(), (one, other, drawn, round) => {
        const [min, max] = one <= other ? [one, other] : [other, one]
        fc.pre(!round || Math.ceil(min) <= Math.floor(max))
        const number = draw(readBounds(call, { min, max, round }), () => drawn)
        assert.ok(number >= min && number <= max)
        if (round) assert.ok(Number.isInteger(number))
      }),
    )
  })

  it('are each as likely as the others when rounded, the ends too', () => {
    const bounds = readBounds(call, { min: 1, max: 4, round: true })
    const counts = new Map<number, number>()
    for (let step = 0; step < 400; step += 1) {
      const number = draw(bounds, () => step / 400)
      counts.set(number, (counts.get(number) ?? 0) + 1)
    }
    assert.deepEqual(
      [...counts],
      [
        [1, 100],
        [2, 100],
        [3, 100],
        [4, 100],
      ],
    )
  })
})

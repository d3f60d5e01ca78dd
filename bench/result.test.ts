import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { takeTurns } from './measure.ts'
import { compare, formatTable, median, notMeasured } from './result.ts'

describe('median', () => {
  it('is the middle value, or the mean of the two in the middle', () => {
    assert.equal(median([3, 1, 2]), 2)
    assert.equal(median([4, 1, 3, 2]), 2.5)
    assert.equal(median([7]), 7)
    assert.ok(Number.isNaN(median([])))
  })
})

describe('compare', () => {
  it('takes ratios within a round, so that a slow round does not tilt them', () => {
    const result = compare('calls/s', [100, 10, 100], { name: 'other', values: [50, 5, 50] })
    assert.deepEqual(result, { value: 100, unit: 'calls/s', baseline: 'other', ratio: 2 })
  })
})

describe('takeTurns', () => {
  it('lets the subjects take turns within each round', async () => {
    const order: string[] = []
    const subject = (name: string, value: number) => async (): Promise<number> => {
      order.push(name)
      return value
    }
    assert.deepEqual(await takeTurns(2, [subject('a', 1), subject('b', 2)]), [
      [1, 1],
      [2, 2],
    ])
    assert.deepEqual(order, ['a', 'b', 'a', 'b'])
  })
})

describe('formatTable', () => {
  it('has one line for each result, and a dash for what was not measured', () => {
    const lines = formatTable({
      one: { value: 1234, unit: 'ms', baseline: 'other', ratio: 2 },
      two: notMeasured('ms', 'no server'),
    }).split('\n')
    assert.deepEqual(lines, [
      'name  value  unit  ratio  baseline',
      'one   1,234  ms    2 ×    other',
      'two   –      ms    –      no server',
    ])
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canMove, isBusy, transitions, type FlowState } from './machine.ts'

const states: readonly FlowState[] = [
  'idle',
  'loading',
  'choose',
  'fields',
  'submitting',
  'blocked',
  'authorize',
  'configure',
  'verify',
  'done',
  'failed',
  'cancelled',
]

// Every pair, written down once more as a picture: a row per state, a column per next state, in the order above.
// x: may follow. =: stays. .: may not.
const picture = `
  = x x x x . . . . . x .
  x = x x x . x x x x x x
  x x = x x . . . . . x x
  x x x = x . . . . . x x
  x . x x = x x x x x x x
  x . x x x = x . x x x x
  x . . x x . = x x x x x
  x . . . x . . = x x x x
  x . . x . . x x = x x x
  x x x x x . . . . = x .
  x x x x x . . . . . = x
  x x x x x . . . . x x =
`
  .trim()
  .split('\n')
  .map((row) => row.trim().split(' '))

describe('canMove', () => {
  for (const [row, from] of states.entries()) {
    it(`from ${from} to what may follow, and to nothing else`, () => {
      for (const [column, to] of states.entries()) {
        const expected = picture[row]?.[column] !== '.'
        assert.equal(canMove(from, to), expected, `${from} → ${to}`)
      }
    })
  }
})

describe('transitions', () => {
  it('has every state, and every state can be reached from idle and left for it', () => {
    assert.deepEqual(Object.keys(transitions).sort(), [...states].sort())
    const reached = new Set<FlowState>(['idle'])
    for (const state of reached) for (const next of transitions[state]) reached.add(next)
    assert.equal(reached.size, states.length)
    for (const state of states) assert(canMove(state, 'idle'), state)
  })

  it('lets only what was sent out or taken up be at the provider', () => {
    const before = states.filter((state) => transitions[state].includes('authorize'))
    assert.deepEqual(before, ['loading', 'submitting', 'blocked', 'verify'])
  })

  it('never opens a way back from a final state to where the provider is', () => {
    for (const state of ['done', 'failed', 'cancelled'] as const) {
      for (const next of ['authorize', 'verify', 'configure', 'blocked'] as const)
        assert(!canMove(state, next))
    }
  })
})

describe('isBusy', () => {
  it('is true where somebody else is waited for', () => {
    assert.deepEqual(states.filter(isBusy), ['loading', 'submitting', 'authorize', 'verify'])
  })
})

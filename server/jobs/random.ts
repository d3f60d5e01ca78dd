// Random numbers of a run: drawn once, the same on every replay.

import type { RandomOptions } from './job.ts'
import { wrongCall } from './wrong-call.ts'

/** Bounds of a draw. */
export type RandomBounds = Required<RandomOptions>

/**
 * The bounds that the options mean.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function readBounds(
  call: { readonly key: string; readonly job: string },
  { min = 0, max = 1, round = false }: RandomOptions,
): RandomBounds {
  const refuse = (expected: string): Error => wrongCall({ name: 'random', ...call }, expected)
  if (!(typeof min === 'number' && typeof max === 'number' && min <= max && Number.isFinite(max - min)))
    throw refuse(`min and max must be numbers, min the lower one; got ${min} and ${max}.`)
  if (typeof round !== 'boolean') throw refuse('round must be true or false.')
  if (round && Math.ceil(min) > Math.floor(max))
    throw refuse(`there is no whole number from ${min} to ${max}. Leave round out, or widen them.`)
  return { min, max, round }
}

/** A number from `min` to `max`. Whole ones are equally likely, both ends included. */
export function draw({ min, max, round }: RandomBounds, random: () => number): number {
  if (!round) return min + random() * (max - min)
  const lowest = Math.ceil(min)
  return lowest + Math.floor(random() * (Math.floor(max) - lowest + 1))
}

// How much the tests of many cases do: a part by default, so that `npm test` stays short, and all of it in continuous
// integration.

/** True for the full counts: AUTHFLOW_LONG=1. */
export const isLong = process.env['AUTHFLOW_LONG'] === '1'

/** How many random cases to try: all with AUTHFLOW_LONG=1, else a tenth and at most 100. */
export const casesOf = (full: number): number => (isLong ? full : Math.min(Math.ceil(full / 10), 100))

/**
 * The cases of a list to try: all with AUTHFLOW_LONG=1, else every n-th. Tests that count themselves as `turn` share the
 * list, so that n of them together try all of it.
 */
export const everyNth = <Case>(n: number, cases: readonly Case[], turn = 0): readonly Case[] =>
  isLong ? cases : cases.filter((_, at) => at % n === turn % n)

// How much the tests of many cases do: a part by default, so that `npm test` stays short, and all of it in continuous
// integration.

/** True for the full counts: AUTHFLOW_LONG=1. */
export const isLong = process.env['AUTHFLOW_LONG'] === '1'

/** How many random cases to try: all with AUTHFLOW_LONG=1, else a tenth. */
export const casesOf = (full: number): number => (isLong ? full : Math.ceil(full / 10))

/** The cases of a list to try: all with AUTHFLOW_LONG=1, else the first and every n-th after it. */
export const everyNth = <Case>(n: number, cases: readonly Case[]): readonly Case[] =>
  isLong ? cases : cases.filter((_, at) => at % n === 0)

// How measurements are run: subjects take turns within each round, so that what disturbs the machine disturbs all of
// them, and ratios are taken within a round.

/** How long everything takes. */
export interface Effort {
  readonly rounds: number
  /** Load on a server, per subject and round. */
  readonly loadMs: number
  /** Runs or jobs, per subject and round. */
  readonly runs: number
  /** How many records make a full store; a small one has a thousand. */
  readonly stored: number
}

/** For figures worth comparing: so many runs that what each side compiles at first is little of its time. */
export const full: Effort = { rounds: 5, loadMs: 2000, runs: 20_000, stored: 1_000_000 }

/** For finding out whether the bench works. */
export const quick: Effort = { rounds: 1, loadMs: 300, runs: 500, stored: 10_000 }

/** Values of each subject, one for each round. */
export async function takeTurns(
  rounds: number,
  subjects: readonly (() => Promise<number>)[],
): Promise<number[][]> {
  const values = subjects.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, measure] of subjects.entries()) values[index]?.push(await measure())
  }
  return values
}

// What log lines say about the run that they were made in.

import type { RunDocument } from './records.ts'

/** A run as log lines name it. Ids and names out of code: nothing that was sent. */
export type RunFacts = {
  /** Id of the run. */
  readonly run: string
  /** Id of the job. */
  readonly job: string
  /** Version of the job that the run keeps to. */
  readonly version: string
  /** The account that it acts as; absent where it acts as none. */
  readonly account?: string
  /** Rises with every execution of the run. */
  readonly execution?: number
  /** Path of the task that is being tried; absent outside of tasks. */
  readonly task?: string
  /** The try of the task; 1 is the first. */
  readonly attempt?: number
}

/** The facts of a run. */
export function factsOf({ id, job, jobVersion, accountId, fence }: RunDocument): RunFacts {
  return {
    run: id,
    job,
    version: jobVersion,
    ...(accountId === null ? {} : { account: accountId }),
    ...(fence === undefined ? {} : { execution: fence }),
  }
}

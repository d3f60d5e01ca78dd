// Tells a job's onSuccess and onFailure how a run of it ended. Nothing of theirs can change the run any more.

import type { Logger } from '../../shared/log.ts'
import type { Outcome } from './execution.ts'
import type { Json, RunEnd } from './job.ts'
import { shownError } from './pass-outcome.ts'
import type { RunDocument } from './records.ts'
import { factsOf } from './run-facts.ts'
import type { JobDefinition } from './registry.ts'
import { packError, unpackError } from './task-error.ts'

/** A hook holds its run's slot; for no longer than this. */
const longestMs = 30_000

/** A run that ended, with its job. */
export interface EndedRun {
  readonly run: RunDocument
  readonly definition: JobDefinition
  readonly log: Logger
  /** To be cut out of error messages. */
  readonly secrets: readonly string[]
}

/** Calls the hook of the outcome, if there is one. Never rejects. Undefined when there is nothing to wait for. */
export function tellEnd(ended: EndedRun, outcome: Outcome): Promise<void> | undefined {
  const { onSuccess, onFailure } = ended.definition
  if (outcome.type === 'failed') logFailure(ended, outcome.error)
  if (outcome.type === 'finished' && onSuccess !== undefined && outcome.continuedAs === undefined) {
    const output: Json = outcome.output === undefined ? null : JSON.parse(outcome.output)
    return call(ended, 'onSuccess', () => onSuccess({ ...facts(ended.run), output }))
  }
  if (outcome.type === 'failed' && onFailure !== undefined) {
    const { stack = null } = packError(outcome.error, ended.secrets)
    const error = { ...shownError(outcome.error, ended.secrets), stack }
    return call(ended, 'onFailure', () => onFailure({ ...facts(ended.run), error }))
  }
  return undefined
}

/** With the place in the host's code, which is shown to nobody else. */
function logFailure({ run, log, secrets }: EndedRun, error: unknown): void {
  log.error({ ...factsOf(run), err: unpackError(packError(error, secrets)) }, 'the run failed')
}

const facts = (run: RunDocument): RunEnd => ({
  run: { id: run.id, startedAt: new Date(run.createdAt) },
  job: { id: run.job, version: run.jobVersion },
  ...(run.accountId === null ? {} : { account: { id: run.accountId } }),
})

async function call({ run, log }: EndedRun, hook: string, work: () => Promise<void> | void): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, longestMs, 'late')))
  try {
    if ((await Promise.race([work(), late])) === 'late')
      log.warn({ ...factsOf(run), hook }, 'a hook of the job takes too long; it is not waited for')
  } catch (error) {
    log.error({ ...factsOf(run), hook, err: error }, 'a hook of the job threw')
  } finally {
    clearTimeout(timer)
  }
}

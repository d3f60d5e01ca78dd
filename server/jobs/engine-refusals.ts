// What the engine answers to calls that can't be done: runs, events and jobs that there are not.

import { AuthFlowError } from '../../shared/errors.ts'
import type { EngineCore } from './core.ts'
import { invokeSource } from './event-sources.ts'
import type { PublishedJob } from './records.ts'

/** A run that there is not, or not for who asks. */
export const noSuchRun = ({ retention }: Pick<EngineCore, 'retention'>): AuthFlowError => {
  const days = Math.round(retention.runMs / 86_400_000)
  return new AuthFlowError(
    'not_found',
    `There is no such run. Runs are kept for ${days} days after their end.`,
  )
}

/** An event that there is not under this account and source. */
export const noSuchEvent = (id: string): AuthFlowError =>
  new AuthFlowError(
    'not_found',
    `There is no event ${String(id).slice(0, 256)} of this account and source. Give both as it was sent with.`,
  )

/**
 * Checks that a job can be invoked.
 *
 * @throws {@link AuthFlowError} `unknown_job`, `invalid_input` (its trigger is another), `job_disabled`
 */
export function assertInvocable(id: unknown, job: PublishedJob | undefined): void {
  if (typeof id !== 'string')
    throw new AuthFlowError('invalid_input', `A job is invoked by its id, which is text; got ${typeof id}.`)
  if (job === undefined) {
    throw new AuthFlowError('unknown_job', `No running process defines a job ${id.slice(0, 64)}.`)
  }
  if (job.source !== invokeSource(id)) {
    throw new AuthFlowError(
      'invalid_input',
      `Job ${id} can't be invoked: its trigger is another. Give it invokeTrigger(), or send its event.`,
    )
  }
  if (job.enabled) return
  throw new AuthFlowError('job_disabled', `Job ${id} ${job.version}, its highest version, is not enabled.`)
}

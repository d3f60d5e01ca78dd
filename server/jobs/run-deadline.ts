// Until when a run has to be over, where its job says how long it may take.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Execution } from './execution.ts'
import type { RunDocument } from './records.ts'
import type { JobDefinition } from './registry.ts'

/** `setTimeout` takes no more. */
const longestTimerMs = 2 ** 31 - 1
const longestMs = 366 * 24 * 3_600_000

/** The instant in ms; Infinity where the run may take as long as it takes. */
export const deadlineOf = (run: RunDocument, { timeoutMs }: JobDefinition): number =>
  timeoutMs === undefined ? Infinity : (run.timedFrom ?? run.createdAt) + timeoutMs

/** What a run ends with that is not over by then. */
export const timedOut = ({ published, timeoutMs }: JobDefinition): AuthFlowError =>
  new AuthFlowError('run_timed_out', `The run of ${published.job} did not end within ${timeoutMs} ms.`)

/** Ends the execution as failed when its time is up, and aborts what is under way. */
export function watchDeadline(
  execution: Execution,
  definition: JobDefinition,
  { deadline, now }: { deadline: number; now: () => number },
): void {
  if (deadline === Infinity) return
  const look = (): void => {
    if (now() >= deadline) execution.callOff({ type: 'failed', error: timedOut(definition) })
    else execution.startTimer(look, Math.min(longestTimerMs, Math.max(1, Math.ceil(deadline - now()))))
  }
  look()
}

/** Throws {@link AuthFlowError} `invalid_input` for what can't be a timeout. */
export function checkTimeout(job: string, ms: number | undefined): void {
  if (ms === undefined || (Number.isInteger(ms) && ms >= 1 && ms <= longestMs)) return
  throw new AuthFlowError(
    'invalid_input',
    `timeoutInMs of job ${job} must be a whole number from 1 to ${longestMs}.`,
  )
}

// Things that can be done outside of runs and inside: there they are tasks, so that a replay does not do them again.

import { isAuthFlowError } from '../../shared/errors.ts'
import { currentIO, unusedKey } from '../jobs/execution.ts'
import { checkKey } from '../jobs/schedule-book.ts'
import type { Json, OnError } from '../jobs/job.ts'
import { digest } from '../jobs/records.ts'

/** Longer keys of registrations stand in a task's key as their digest. */
const maxShown = 128
const retry = { limit: 8, factor: 1.8, minTimeoutInMs: 500, maxTimeoutInMs: 30_000 }

/** What is done to which registration of which trigger or schedule. */
export interface RegistrationCall {
  readonly trigger: string
  readonly key: string
  readonly action: 'register' | 'unregister'
  /** Of the task, for people. */
  readonly name: string
}

/**
 * Does the work; inside a run as a task that is named after what it does, however often the run does it. Only what may
 * end differently the next time is tried again.
 *
 * @returns what the work gave; inside a run what JSON makes of it
 * @throws {@link AuthFlowError} `invalid_input` for a key that is none
 */
export async function asTask<T extends Json | void>(
  { trigger, key, action, name }: RegistrationCall,
  work: () => Promise<T>,
): Promise<T> {
  checkKey(key, `${action} of ${trigger}`)
  const io = currentIO()
  if (io === undefined) return work()
  const shown = key.length <= maxShown && key.isWellFormed() ? key : digest(trigger, key)
  return io.runTask(unusedKey(`${trigger}/${shown}/${action}`), work, { name, retry }, skipHopeless)
}

const skipHopeless: OnError = (error) =>
  isAuthFlowError(error) && !error.retryable && error.code !== 'internal' ? { skipRetrying: true } : undefined

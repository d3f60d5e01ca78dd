// The options of a task, checked where they are given: a limit that is no number would mean retries without end, a
// pause that is none a result that can't be stored.

import { retry as presets } from '../../shared/retry.ts'
import type { RetryOptions, TaskOptions } from './job.ts'
import { checkOptions, wrongCall, type NamedCall } from './wrong-call.ts'

/** `setTimeout` takes no more. */
export const longestTimeoutMs = 2 ** 31 - 1
/** A task is tried again at the latest after this: 30 days. */
export const longestRetryMs = 30 * 24 * 3_600_000
const maxAttempts = 1000
const maxFactor = 1000

/** Of a call without any. */
export const noOptions: TaskOptions = Object.freeze({})

/** The presets are known to be right. */
const checked: ReadonlySet<unknown> = new Set(Object.values(presets))

/** What each number of a retry policy may be, both ends included. */
const bounds: Readonly<Record<Exclude<keyof RetryOptions, 'randomize'>, readonly [number, number]>> = {
  limit: [0, maxAttempts],
  factor: [0, maxFactor],
  minTimeoutInMs: [0, longestRetryMs],
  maxTimeoutInMs: [0, longestRetryMs],
}

/**
 * Checks what a task is given beside its key and callback. Made for the way that every task takes: one without options
 * costs a look.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkTaskOptions(call: NamedCall, options: TaskOptions, onError: unknown): void {
  if (onError !== undefined && typeof onError !== 'function')
    throw wrongCall(call, 'onError must be a function of the error and the task.')
  if (options === noOptions) return
  checkOptions(call, options)
  const { name, connectionKey, onInterrupt, retry, timeoutInMs } = options
  if (name !== undefined && typeof name !== 'string') throw wrongCall(call, 'name must be text.')
  if (connectionKey !== undefined && typeof connectionKey !== 'string')
    throw wrongCall(call, 'connectionKey must be the name of an integration of the job.')
  if (onInterrupt !== undefined && onInterrupt !== 'retry' && onInterrupt !== 'fail')
    throw wrongCall(call, "onInterrupt must be 'retry' or 'fail'.")
  if (timeoutInMs !== undefined && !isWithin(timeoutInMs, 1, longestTimeoutMs))
    throw wrongCall(call, `timeoutInMs must be a number from 1 to ${longestTimeoutMs} (24 days).`)
  if (retry !== undefined && !checked.has(retry)) checkRetry(call, retry)
}

/**
 * Checks a retry policy.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkRetry(call: NamedCall, retry: RetryOptions): void {
  if (typeof retry !== 'object' || retry === null || Array.isArray(retry))
    throw wrongCall(call, 'retry must be an object, such as retry.standardBackoff or { limit: 3 }.')
  for (const field of ['limit', 'factor', 'minTimeoutInMs', 'maxTimeoutInMs'] as const) {
    const [least, most] = bounds[field]
    if (retry[field] !== undefined && !isWithin(retry[field], least, most))
      throw wrongCall(call, `retry.${field} must be a number from ${least} to ${most}.`)
  }
  if (retry.randomize !== undefined && typeof retry.randomize !== 'boolean')
    throw wrongCall(call, 'retry.randomize must be true or false.')
}

const isWithin = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && value >= least && value <= most

// Jobs started by their id: what is asked for, alone or in a list, and the run that comes of it.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { ChildRequest } from './core.ts'
import type { EventRecord, InvokeOptions } from './engine.ts'
import { checkObject } from './event-input.ts'
import type { Json } from './job.ts'

/** A run of a job that is to be started by the job's id. */
export interface InvokeRequest extends Partial<Omit<ChildRequest, 'job' | 'payload' | 'accountId'>> {
  readonly job: string
  readonly payload: Json
  readonly accountId?: string | null
}

/**
 * What `invoke` was asked for.
 *
 * @throws {@link AuthFlowError} `invalid_input` where the options are no object
 */
export function readInvocation(job: string, payload: Json, options: InvokeOptions): InvokeRequest {
  checkObject(`the options of invoking job ${job}`, options, '{ accountId, idempotencyKey }')
  const { idempotencyKey, ...rest } = options
  return { ...rest, job, payload, ...(idempotencyKey === undefined ? {} : { id: idempotencyKey }) }
}

/** Most items of one call. */
const maxItems = 1000

/**
 * The run that the event of an invocation started.
 *
 * @throws {@link AuthFlowError} `conflict`
 */
export function runOf(job: string, { runIds: [id] }: Pick<EventRecord, 'runIds'>): { id: string } {
  if (id === undefined) throw new AuthFlowError('conflict', `Job ${job} was turned off just now.`)
  return { id }
}

/**
 * Judges every item of a list; the message of a refusal begins with its place.
 *
 * @throws {@link AuthFlowError} `invalid_input` for what is no list or too long, and what `judge` throws
 */
export function judgeAll<Item, Judged>(
  name: string,
  items: readonly Item[],
  judge: (item: Item) => Judged,
): Judged[] {
  if (!Array.isArray(items) || items.length > maxItems)
    throw new AuthFlowError('invalid_input', `${name} must be a list of at most ${maxItems}.`)
  return items.map((item, at) => {
    try {
      if (typeof item !== 'object' || item === null)
        throw new AuthFlowError('invalid_input', 'it is no object.')
      return judge(item)
    } catch (error) {
      if (!isAuthFlowError(error)) throw error
      throw new AuthFlowError(error.code, `${name}[${at}]: ${error.message}`, { details: error.details })
    }
  })
}

// What users write about concurrency: a number, a number for each account, or one limit that several jobs share.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkDefinitionId } from './definition-id.ts'
import { checkObject } from './event-input.ts'
import type { LimitRule } from './lane-records.ts'

const largestLimit = 10_000

/** How many runs may run at a time; at least one of the two. A run that waits, sleeps or is parked does not count. */
export interface ConcurrencyOptions {
  /** All of them together, over all processes: 1 to 10,000. */
  readonly limit?: number
  /** Those of each account, over all processes: 1 to 10,000. Runs without an account are not counted here. */
  readonly perAccount?: number
}

/** What `client.defineConcurrencyLimit` takes. */
export interface ConcurrencyLimitOptions extends ConcurrencyOptions {
  /** Stable; letters, digits, `.`, `_`, `-`. */
  readonly id: string
}

/** A limit that jobs share: give it to each of them as `concurrencyLimit`. Made by `client.defineConcurrencyLimit`. */
export class ConcurrencyLimit implements ConcurrencyLimitOptions {
  /** As it was defined. */
  readonly id: string
  /** Runs at a time of all jobs that share it. */
  declare readonly limit?: number
  /** Runs at a time of each account, of all jobs that share it. */
  declare readonly perAccount?: number

  /** @throws {@link AuthFlowError} `invalid_input` */
  constructor(options: ConcurrencyLimitOptions) {
    checkObject('a concurrency limit', options, '{ id, limit }')
    const { id, limit, perAccount } = options
    checkDefinitionId('a concurrency limit', id)
    checkLimits(options, `Concurrency limit ${id}`)
    this.id = id
    if (limit !== undefined) this.limit = limit
    if (perAccount !== undefined) this.perAccount = perAccount
  }
}

/** What a job takes as its `concurrencyLimit`. */
export type JobConcurrency = number | ConcurrencyOptions | ConcurrencyLimit

/**
 * The limit of a job as it is published; a limit of its own counts over all its versions.
 *
 * @param since when this process was started, in ms
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function limitOf(
  job: string,
  given: JobConcurrency | undefined,
  since: number,
): LimitRule | undefined {
  if (given === undefined) return undefined
  if (given instanceof ConcurrencyLimit) return rule(`limit/${given.id}`, given, since)
  const options = typeof given === 'number' ? { limit: given } : given
  if (typeof options !== 'object' || options === null)
    throw refusal(
      `concurrencyLimit of job ${job}`,
      'must be a number, `{ limit, perAccount }` or a shared limit',
    )
  if ('id' in options)
    throw refusal(
      `concurrencyLimit of job ${job}`,
      'has an id: make shared limits by `client.defineConcurrencyLimit`',
    )
  checkLimits(options, `concurrencyLimit of job ${job}`)
  return rule(ownLimitOf(job), options, since)
}

/** Name of a limit that is a job's own. */
export const ownLimitOf = (job: string): string => `job/${job}`

function rule(name: string, { limit, perAccount }: ConcurrencyOptions, since: number): LimitRule {
  return {
    name,
    since,
    ...(limit === undefined ? {} : { limit }),
    ...(perAccount === undefined ? {} : { perAccount }),
  }
}

function checkLimits({ limit, perAccount }: ConcurrencyOptions, what: string): void {
  if (limit === undefined && perAccount === undefined)
    throw refusal(what, 'needs `limit`, `perAccount` or both')
  for (const [name, value] of Object.entries({ limit, perAccount })) {
    if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= largestLimit)) continue
    throw refusal(what, `has a \`${name}\` that is no whole number from 1 to ${largestLimit}`)
  }
}

const refusal = (what: string, why: string): AuthFlowError =>
  new AuthFlowError('invalid_input', `${what} ${why}.`)

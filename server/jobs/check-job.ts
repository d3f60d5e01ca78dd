// What `defineJob` is given, checked before anything is made of it: what is wrong with a job is said where it is defined,
// and not by the first event that comes.

import semver from 'semver'
import { AuthFlowError } from '../../shared/errors.ts'
import { checkDefinitionId } from './definition-id.ts'
import { checkFilter } from './event-filter.ts'
import { checkText } from './event-input.ts'
import type { Integrations, Trigger } from './job.ts'
import { checkSchema } from './payload-schema.ts'
import { checkTimeout } from './run-deadline.ts'

const triggerKinds: ReadonlySet<unknown> = new Set(['event', 'invoke', 'schedule', 'dynamic', 'http'])

/** A definition as code without types gives it. */
export interface GivenJob {
  readonly id: string
  readonly name: unknown
  readonly version: unknown
  readonly trigger: Omit<Trigger<unknown>, 'schedule'> | null | undefined
  readonly integrations?: Integrations | null
  readonly enabled?: unknown
  readonly onVersionGone?: unknown
  readonly timeoutInMs?: number
  readonly run: unknown
  readonly onSuccess?: unknown
  readonly onFailure?: unknown
}

/**
 * Checks all of a definition but its concurrency limit.
 *
 * @throws {@link AuthFlowError} `invalid_input`, `invalid_version`
 */
export function checkJob(given: GivenJob): void {
  if (typeof given !== 'object' || given === null)
    throw new AuthFlowError(
      'invalid_input',
      'defineJob needs an object with id, name, version, trigger and run.',
    )
  const { id, name, version, trigger, integrations, enabled, onVersionGone, timeoutInMs, run } = given
  checkDefinitionId('a job', id)
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+$/.test(version) || semver.valid(version) === null) {
    throw new AuthFlowError(
      'invalid_version',
      `Version «${String(version).slice(0, 64)}» of job ${id} is not three numbers such as 1.0.0.`,
    )
  }
  if (typeof run !== 'function' || !triggerKinds.has(trigger?.kind))
    throw refuse(`Job ${id} needs name, trigger and run.`)
  checkText(`name of job ${id}`, name)
  checkTrigger(id, trigger)
  checkIntegrations(id, integrations)
  if (enabled !== undefined && typeof enabled !== 'boolean')
    throw refuse(`enabled of job ${id} must be true or false; got ${typeof enabled}.`)
  if (onVersionGone !== undefined && onVersionGone !== 'wait' && onVersionGone !== 'latest')
    throw refuse(`onVersionGone of job ${id} must be 'wait' or 'latest'.`)
  for (const hook of ['onSuccess', 'onFailure'] as const)
    if (given[hook] !== undefined && typeof given[hook] !== 'function')
      throw refuse(`${hook} of job ${id} must be a function.`)
  checkTimeout(id, timeoutInMs)
}

const refuse = (message: string): AuthFlowError => new AuthFlowError('invalid_input', message)

/** Of a trigger that no function of ours made, anything may be missing. */
function checkTrigger(job: string, trigger: GivenJob['trigger']): void {
  const { names, schema, source, filter, contextFilter } = trigger ?? {}
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    throw refuse(
      `The trigger of job ${job} has no names. Make it by eventTrigger, invokeTrigger and the like.`,
    )
  checkSchema(`the trigger of job ${job}`, schema)
  if (source !== undefined) checkText(`source of the trigger of job ${job}`, source)
  if (filter !== undefined) checkFilter(filter)
  if (contextFilter !== undefined) checkFilter(contextFilter, 'contextFilter')
}

/** One that is undefined is a setting that is missing somewhere else. */
function checkIntegrations(job: string, integrations: GivenJob['integrations']): void {
  if (integrations === undefined) return
  if (typeof integrations !== 'object' || integrations === null || Array.isArray(integrations))
    throw refuse(
      `integrations of job ${job} must be an object: the names that they have on io, and what they are.`,
    )
  for (const [key, integration] of Object.entries(integrations)) {
    const { id, cloneForRun } = Object(integration) as Readonly<Record<string, unknown>>
    if (typeof id === 'string' && typeof cloneForRun === 'function') continue
    throw refuse(`integrations.${key} of job ${job} is no integration. Give it one that was made before.`)
  }
}

// The trigger for events sent by `sendEvent`. It only describes; taking events in and starting runs is the engine's.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkFilter } from '../jobs/event-filter.ts'
import type { EventFilter, Json, PayloadSchema, Trigger } from '../jobs/job.ts'
import { checkSchema } from '../jobs/payload-schema.ts'
import { checkOptions } from './trigger-options.ts'

const maxNames = 100
const maxNameLength = 256
const optionNames = ['name', 'names', 'schema', 'filter', 'contextFilter', 'source'] as const

/** Options of {@link eventTrigger}: `name` or `names`, not both. */
export interface EventTriggerOptions<Payload> {
  /** Exact name of the events; case matters. At most 256 characters. */
  readonly name?: string
  /** Several names, any of which starts the job. 1 to 100. */
  readonly names?: readonly string[]
  /** What the payload must be; also its type in `run` (default: any JSON). A zod schema, or anything with `safeParse`. */
  readonly schema?: PayloadSchema<Payload>
  /** Payloads that the job is for (default: all of them). */
  readonly filter?: EventFilter
  /** The same for the context of the event. */
  readonly contextFilter?: EventFilter
  /** Where the events come from (default `authflow`, as with `sendEvent`). */
  readonly source?: string
}

/**
 * A trigger that starts the job at every event with the given name. The filter sees the payload as it was sent; the
 * schema is checked afterwards, for events that pass the filter.
 *
 * @throws {@link AuthFlowError} `invalid_input` when there is no name, the filter or the schema is none, or an option is
 *   not known
 */
export function eventTrigger<Payload = Json>(options: EventTriggerOptions<Payload>): Trigger<Payload> {
  checkOptions('eventTrigger', options, optionNames)
  const names = options.names ?? (options.name === undefined ? [] : [options.name])
  if (options.name !== undefined && options.names !== undefined) {
    throw new AuthFlowError('invalid_input', 'eventTrigger takes `name` or `names`, not both.')
  }
  if (!Array.isArray(names) || names.length === 0 || names.length > maxNames) {
    throw new AuthFlowError(
      'invalid_input',
      `eventTrigger needs 1 to ${maxNames} names; got ${names.length}.`,
    )
  }
  for (const name of names) {
    if (typeof name !== 'string' || name === '' || name.length > maxNameLength) {
      throw new AuthFlowError(
        'invalid_input',
        `A name in eventTrigger must be text of 1 to ${maxNameLength} characters.`,
      )
    }
  }
  const { source } = options
  if (source !== undefined && (typeof source !== 'string' || source === ''))
    throw new AuthFlowError(
      'invalid_input',
      'source of eventTrigger must be text. Leave it out for `sendEvent`.',
    )
  checkSchema('eventTrigger', options.schema)
  if (options.filter !== undefined) checkFilter(options.filter)
  if (options.contextFilter !== undefined) checkFilter(options.contextFilter, 'contextFilter')
  return {
    kind: 'event',
    names: [...new Set(names)],
    ...(options.filter === undefined ? {} : { filter: options.filter }),
    ...(options.contextFilter === undefined ? {} : { contextFilter: options.contextFilter }),
    ...(options.schema === undefined ? {} : { schema: options.schema }),
    ...(source === undefined ? {} : { source }),
  }
}

// The trigger for jobs that only `invoke` starts: by name, with a payload, for an account.

import type { Json, PayloadSchema, Trigger } from '../jobs/job.ts'
import { invokeEvent } from '../jobs/event-sources.ts'
import { checkSchema } from '../jobs/payload-schema.ts'
import { checkOptions } from './trigger-options.ts'

/** Options of {@link invokeTrigger}. */
export interface InvokeTriggerOptions<Payload> {
  /** What the payload must be; also its type in `run` (default: any JSON). A zod schema, or anything with `safeParse`. */
  readonly schema?: PayloadSchema<Payload>
}

/**
 * A trigger for a job that nothing starts but `client.invoke`: no event can.
 *
 * @throws {@link AuthFlowError} `invalid_input` for a schema that is none, or another option
 */
export function invokeTrigger<Payload = Json>(options: InvokeTriggerOptions<Payload> = {}): Trigger<Payload> {
  checkOptions('invokeTrigger', options, ['schema'])
  const { schema } = options
  checkSchema('invokeTrigger', schema)
  return { kind: 'invoke', names: [invokeEvent], ...(schema === undefined ? {} : { schema }) }
}

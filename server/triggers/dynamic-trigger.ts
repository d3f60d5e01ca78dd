// Webhooks as the account: a trigger whose uses are registered one by one, each made at the provider with the
// credentials of its account.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Page } from '../../shared/flow.ts'
import type { EventSpecification, TriggerSource } from '../integrations/webhook-source.ts'
import { checkDefinitionId } from '../jobs/definition-id.ts'
import { checkFilter } from '../jobs/event-filter.ts'
import type { EventFilter, Json, PayloadSchema, Trigger } from '../jobs/job.ts'
import { checkSchema } from '../jobs/payload-schema.ts'
import { asTask } from './as-task.ts'
import { triggerSource } from './context.ts'
import type { TriggerHost } from './host.ts'
import type { RegisterOptions, Registration } from './registration.ts'
import { checkHost, checkOptions } from './trigger-options.ts'

/** Options of {@link DynamicTrigger}. */
export interface DynamicTriggerOptions<Params, Payload> {
  /** Stable; letters, digits, `.`, `_`, `-`. */
  readonly id: string
  /** Which events: `events.onIssueOpened`. */
  readonly event: EventSpecification<Payload>
  /** Where from: `github.sources.repo`. */
  readonly source: TriggerSource<Params>
}

/**
 * A trigger for what happens at a provider in the name of an account. Jobs use it as their trigger. Events of a
 * registration start each of them once, as the registration's account, with its key as `ctx.source.id`; they reach no
 * other registration.
 */
export class DynamicTrigger<Params extends Json, Payload> implements Trigger<Payload> {
  readonly kind = 'dynamic'
  /** Stable name of the trigger. */
  readonly id: string
  /** Names of its events. */
  readonly names: readonly string[]
  /** Where its events come from: nowhere else. */
  readonly source: string
  declare readonly filter?: EventFilter
  declare readonly schema?: PayloadSchema<Payload>
  readonly #host: Pick<TriggerHost, 'registrations'>

  /**
   * Makes it known to the server; to be done in every process, before the start.
   *
   * @throws {@link AuthFlowError} `duplicate_trigger`, `invalid_input` (an id that is none, an event of another
   *   provider, or one with a filter that is none)
   */
  constructor(
    host: Pick<TriggerHost, 'registrations' | 'defineTrigger'>,
    options: DynamicTriggerOptions<Params, Payload>,
  ) {
    checkOptions('new DynamicTrigger', options, ['id', 'event', 'source'])
    const { id, event, source } = options
    checkDefinitionId('a DynamicTrigger', id)
    checkHost(`DynamicTrigger ${id}`, host)
    checkParts(options)
    if (event.provider !== source.integration.metadata.id) {
      const text = `The event ${event.name} of DynamicTrigger ${id} is ${event.provider}'s, its source is ${source.id}.`
      throw new AuthFlowError('invalid_input', text)
    }
    this.id = id
    this.names = [event.name]
    this.source = triggerSource(id)
    if (event.filter) this.filter = event.filter
    if (event.schema) this.schema = event.schema
    this.#host = host
    host.defineTrigger({ id, event, source: untyped(source) })
  }

  /**
   * Registers one use, or changes it: a key has one. Resolves once the provider sends, with a registration that is
   * `active`; or `waiting` for an account that has no connection (connecting makes it active), or `pending` when the
   * provider can't be reached just now. The same again changes nothing. Inside a run this is a task,
   * each time it is called.
   *
   * @param key unique in this trigger; 1 to 256 characters, any of them: `${userId}-${owner}/${repo}`
   * @throws {@link AuthFlowError} `invalid_input`; what the provider refuses, such as `provider_rejected` or
   *   `insufficient_scope`, and a new registration then leaves nothing behind; `identity_changed`
   */
  async register(key: string, params: Params, options: RegisterOptions = {}): Promise<Registration> {
    const call = { trigger: this.id, key, action: 'register', name: 'Register trigger' } as const
    const text = await asTask(call, async () =>
      JSON.stringify(await this.#host.registrations.register({ trigger: this.id, key, params, ...options })),
    )
    return JSON.parse(text) as Registration
  }

  /**
   * Ends a registration and removes what it has at the provider, now or, where that fails, soon. False when there is
   * none. From here on it starts nothing; runs that it started go on. Inside a run this is a task.
   */
  unregister(key: string): Promise<boolean> {
    const call = { trigger: this.id, key, action: 'unregister', name: 'Unregister trigger' } as const
    return asTask(call, () => this.#host.registrations.unregister({ trigger: this.id, key }))
  }

  /** A registration. Throws `not_found`. */
  get(key: string): Promise<Registration> {
    return this.#host.registrations.get({ trigger: this.id, key })
  }

  /** Its registrations, oldest first; of all accounts or of one. `limit` 1 to 100 (default 20). */
  list(
    query: { readonly accountId?: string; readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<Page<Registration>> {
    return this.#host.registrations.list({ trigger: this.id, ...query })
  }

  /** A new secret for a registration; the old one is accepted for an hour. Throws `not_found`, `not_supported`. */
  rotateSecret(key: string): Promise<Registration> {
    return this.#host.registrations.rotateSecret({ trigger: this.id, key })
  }
}

/** That there is an event and a source, for callers without types. Throws `invalid_input`. */
function checkParts<Params, Payload>({ id, event, source }: DynamicTriggerOptions<Params, Payload>): void {
  const what = `DynamicTrigger ${id}`
  if (typeof event?.name !== 'string' || event.name === '')
    throw new AuthFlowError('invalid_input', `${what} needs an \`event\`, such as events.onIssueOpened.`)
  if (typeof source?.kind !== 'string')
    throw new AuthFlowError('invalid_input', `${what} needs a \`source\`, such as github.sources.repo.`)
  checkSchema(what, event.schema)
  if (event.filter !== undefined) checkFilter(event.filter, `event.filter of ${what}`)
}

/** What a source makes of stored parameters is what it gets back, so their type need not be known to others. */
function untyped<Params>(source: TriggerSource<Params>): TriggerSource<unknown> {
  return source as TriggerSource<unknown>
}

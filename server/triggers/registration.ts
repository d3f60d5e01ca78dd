// Registrations as users see them: one account's use of a dynamic trigger.

import type { Page } from '../../shared/flow.ts'
import type { EventSpecification, TriggerSource } from '../integrations/webhook-source.ts'
import type { EventFilter, Json } from '../jobs/job.ts'

/**
 * `pending`: being made at the provider, or tried again soon. `active`: events come. `waiting`: for the account to
 * connect. `failed`: the provider refuses; tried again a few times a day.
 */
export type RegistrationState = 'pending' | 'active' | 'waiting' | 'failed'

/** A registration as it stands. */
export interface Registration {
  /** Id of the dynamic trigger. */
  readonly trigger: string
  /** What it was registered with; unique in its trigger. */
  readonly key: string
  /** As the source made them of what was given. */
  readonly params: Json
  /** Whose credentials it uses. */
  readonly integration: string
  /** The account that it acts as and its runs too; null for an integration with credentials from code. */
  readonly accountId: string | null
  /** Given to its runs as `ctx.source.metadata`. */
  readonly metadata: Json
  /** How it stands. */
  readonly state: RegistrationState
  /** Why it is not active; null when it is. */
  readonly error: { readonly code: string; readonly message: string } | null
  /** ISO 8601: when the provider ends it unless it is renewed, which happens in time; null when it does not. */
  readonly expiresAt: string | null
  /** ISO 8601. */
  readonly createdAt: string
  /** ISO 8601. */
  readonly updatedAt: string
}

/** Options of a registration. */
export interface RegisterOptions {
  /** The account it acts as. Needed unless the integration has credentials from code. */
  readonly accountId?: string | undefined
  /** Payloads that it is for, beside the event's own filter (default: all of them). */
  readonly filter?: EventFilter | undefined
  /** Given to its runs as `ctx.source.metadata`. JSON of at most 16 KB. */
  readonly metadata?: Json | undefined
}

/** Names a registration. */
export interface RegistrationName {
  /** Id of the dynamic trigger. */
  readonly trigger: string
  /** What it was registered with. */
  readonly key: string
}

/** Which registrations to list: of a trigger or of an account. */
export interface RegistrationQuery {
  /** Of the trigger with this id. */
  readonly trigger?: string | undefined
  /** Of this account. */
  readonly accountId?: string | undefined
  /** 1 to 100 (default 20). */
  readonly limit?: number | undefined
  /** From the page before. */
  readonly cursor?: string | undefined
}

/** Registrations of all dynamic triggers, by the triggers' ids. `DynamicTrigger` has the same with types. */
export interface RegistrationApi {
  /** See `DynamicTrigger.register`. Throws `unknown_trigger` too. */
  register(
    registration: RegistrationName & RegisterOptions & { readonly params: Json },
  ): Promise<Registration>
  /** See `DynamicTrigger.unregister`. */
  unregister(name: RegistrationName): Promise<boolean>
  /** Throws `not_found`. */
  get(name: RegistrationName): Promise<Registration>
  /** Oldest first. */
  list(query: RegistrationQuery): Promise<Page<Registration>>
  /**
   * Gives the registration a new secret. The provider is told at once; the old one is accepted for another hour.
   *
   * @throws {@link AuthFlowError} `not_found`, `not_supported` (the secret is the provider's or the app's)
   */
  rotateSecret(name: RegistrationName): Promise<Registration>
}

/** A dynamic trigger with its types put away. */
export interface AnyDynamicTrigger {
  /** Unique in its server. */
  readonly id: string
  /** Which events it wants. */
  readonly event: EventSpecification<unknown>
  /** Where they come from. What it makes of parameters is what it gets back. */
  readonly source: TriggerSource<unknown>
}

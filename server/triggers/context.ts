// What the parts of the triggers share.

import type { Connection } from '../../shared/auth.ts'
import type { Logger } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { Tracing } from '../../shared/tracing.ts'
import type { LeaseKeeper } from '../connect/held-lease.ts'
import type { JobEngine, ResolveAuth } from '../jobs/engine.ts'
import type { Retention } from '../jobs/retention.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import type { TriggerDefinitions } from './definitions.ts'

/** Parts and settings of the triggers of one server. */
export interface TriggerContext {
  readonly store: Store
  readonly vault: Vault
  readonly environment: string
  readonly baseUrl: URL
  readonly fetch: GuardedFetch
  readonly engine: Pick<JobEngine, 'takeTriggered' | 'limitFetch'>
  readonly resolveAuth: ResolveAuth
  readonly findConnection: (query: {
    integration: string
    accountId: string
  }) => Promise<Connection | undefined>
  readonly definitions: TriggerDefinitions
  readonly leases: LeaseKeeper
  readonly metrics: Metrics
  /** Follows deliveries (default: nothing is traced). */
  readonly tracing?: Tracing
  readonly log: Logger
  /** How long deliveries and audit rows are kept. */
  readonly retention: Pick<Retention, 'deliveryBodyMs' | 'deliveryIdMs' | 'auditDays'>
  /** The clock of due times, in ms. */
  readonly now: () => number
}

/** Source of the events of a dynamic trigger. */
export const triggerSource = (trigger: string): string => `authflow:trigger/${trigger}`

const firstDelayMs = 5_000
const longestDelayMs = 3_600_000

/**
 * When to try again after so many failures in a row: doubles from 5 s, or what is given, to an hour, spread over the
 * upper half.
 */
export function delayAfter(failures: number, retryAfterMs = 0, firstMs = firstDelayMs): number {
  const full = Math.min(longestDelayMs, firstMs * 2 ** Math.min(failures - 1, 16))
  return Math.round(Math.max(retryAfterMs, full / 2 + (Math.random() * full) / 2))
}

// What every part of the connect service works with: the collaborators, the integrations by id, and work that goes on
// after its caller was answered.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/log.ts'
import { noMetrics, type Metrics } from '../../shared/metrics.ts'
import type { Integration, Method, OAuth2Method } from '../integrations/integration.ts'
import { createRegistry } from '../integrations/registry.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import type { ConnectionChange } from './connect.ts'

/** What {@link createConnect} takes. */
export interface ConnectOptions {
  /** Migrated with `connectSets`. */
  readonly store: Store
  readonly vault: Vault
  /** Those without `connect` are known, but no account can connect to them. */
  readonly integrations: readonly Integration[]
  /** Every request to a provider leaves through it. */
  readonly fetch: GuardedFetch
  /** The environment of store and vault, for logs. */
  readonly environment: string
  /** What every URL is built from. Loopback here is what lets loopback origins and endpoints through. */
  readonly baseUrl: URL
  readonly log: Logger
  /** Counts refreshes and leases (default: nothing is counted). */
  readonly metrics?: Metrics
  /** Told after a change was written. Awaited; what it throws is logged and changes nothing. */
  readonly onChange?: (change: ConnectionChange) => Promise<void> | void
}

/** An integration that accounts can connect to. */
export interface Connectable {
  readonly id: string
  readonly provider: string
  readonly name: string
  readonly methods: readonly Method[]
}

/** The parts of the connect service share one. */
export interface ConnectContext extends Omit<ConnectOptions, 'integrations' | 'onChange'> {
  readonly metrics: Metrics
  /** Throws `unknown_integration`, also for one without `connect`. */
  integration(id: string): Connectable
  /** Tells the host of a change; never throws. */
  changed(change: ConnectionChange): Promise<void>
  /** Runs work that nobody waits for; what it throws is logged under the name. */
  background(name: string, work: () => Promise<void>): void
  /** Resolves once the background work that was begun has ended. */
  settled(): Promise<void>
}

/** Checks the options and makes the context. Throws `duplicate_integration`. */
export function createContext(options: ConnectOptions): ConnectContext {
  const { integrations, onChange, metrics = noMetrics, ...shared } = options
  const registry = createRegistry(integrations)
  const running = new Set<Promise<void>>()
  return {
    ...shared,
    metrics,
    integration: (id) => connectable(registry.get(id)),
    async changed(change) {
      try {
        await onChange?.(change)
      } catch (error) {
        const { id, integration } = change.connection
        shared.log.error(
          { err: error, connectionId: id, integration },
          'the listener for connection changes failed',
        )
      }
    },
    background(name, work) {
      const job = work()
        .catch((error: unknown) => shared.log.warn({ err: error }, `${name} failed`))
        .finally(() => running.delete(job))
      running.add(job)
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

/** The method of the integration, if it has one of that kind. */
export function findMethod(integration: Connectable, id: Method['id']): Method | undefined {
  return integration.methods.find((method) => method.id === id)
}

/** The OAuth method of the integration, if it has one. */
export function findOAuthMethod(integration: Connectable): OAuth2Method | undefined {
  return integration.methods.find((method): method is OAuth2Method => method.id === 'oauth2')
}

function connectable({ id, metadata, connect }: Integration): Connectable {
  if (connect) return { id, provider: metadata.id, name: metadata.name, methods: connect.methods }
  throw new AuthFlowError(
    'unknown_integration',
    `Accounts can't connect to ${id}: it was made without \`connect: true\`.`,
    { details: { integration: id } },
  )
}

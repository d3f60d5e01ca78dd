// What every part of the connect service works with: the collaborators, the integrations by id, and work that goes on
// after its caller was answered.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/log.ts'
import { noMetrics, type Metrics } from '../../shared/metrics.ts'
import type { Tracing } from '../../shared/tracing.ts'
import type {
  Configuration,
  Integration,
  Method,
  MethodFields,
  OAuth2Method,
} from '../integrations/integration.ts'
import { createRegistry } from '../integrations/registry.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { defaultAuditDays } from './audit.ts'
import type { ConnectionChange } from './connect.ts'
import type { LastUse } from './last-use.ts'
import type { OutgoingEvent } from './connection-events.ts'
import type { WebhookEndpoint } from './webhook-endpoints.ts'

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
  /** Follows refreshes (default: nothing is traced). */
  readonly tracing?: Tracing
  /** Bounds how often an account is sent to a provider: throws `rate_limited` (default: no bound). */
  readonly admitStart?: (accountId: string) => Promise<void>
  /** Endpoints of the host that are told of changes (default: none). */
  readonly webhooks?: readonly WebhookEndpoint[]
  /** Takes changes as events that start jobs. The same id again is the same event. (default: nobody does) */
  readonly sendEvent?: (event: OutgoingEvent) => Promise<void>
  /** What the audit trail keeps, and how long. */
  readonly audit?: Partial<AuditSettings>
  /** Who may send people to pages of this server (default: there are none). */
  readonly pages?: PageSettings | undefined
  /** Removes what was made with a connection before its grant ends (default: nothing was). */
  readonly lastUse?: LastUse
  /** Told after a change was written. Awaited; what it throws is logged and changes nothing. */
  readonly onChange?: (change: ConnectionChange) => Promise<void> | void
}

/** How the audit trail is kept. */
export interface AuditSettings {
  /** Days that a row is kept (default 365). */
  readonly days: number
  /** `minute`: reads are counted, and a killed process loses up to 1 s of them. `each`: a row before each answer. */
  readonly reads: 'minute' | 'each'
}

/** What the connect pages of this server are for. */
export interface PageSettings {
  /** Exact origins of the host, at which pages are confirmed and to which they lead back. */
  readonly origins: readonly string[]
  /** The host's name as its customers know it (default: the host name of `returnUrl`). */
  readonly name?: string
}

/** An integration that accounts can connect to. */
export interface Connectable {
  readonly id: string
  readonly provider: string
  readonly name: string
  readonly methods: readonly Method[]
  /** Asked after authorisation. */
  readonly configure?: Configuration
}

/** The parts of the connect service share one. */
export interface ConnectContext extends Omit<ConnectOptions, 'integrations' | 'onChange' | 'audit'> {
  readonly metrics: Metrics
  readonly webhooks: readonly WebhookEndpoint[]
  readonly audit: AuditSettings
  /** Throws `unknown_integration`, also for one without `connect`. */
  integration(id: string): Connectable
  /** Tells the host of a change; never throws. */
  changed(change: ConnectionChange): Promise<void>
  /** Runs work that nobody waits for; what it throws is logged under the name. */
  background(name: string, work: () => Promise<void>): void
  /** Resolves once the background work that was begun has ended. */
  settled(): Promise<void>
}

/** The URL that all of the server's own are below, without a slash at its end. */
export const serverUrl = ({ baseUrl }: Pick<ConnectContext, 'baseUrl'>): string =>
  `${baseUrl.origin}${baseUrl.pathname.replace(/(?<!\/)\/+$/, '')}`

/** Checks the options and makes the context. Throws `duplicate_integration`. */
export function createContext(options: ConnectOptions): ConnectContext {
  const { integrations, onChange, metrics = noMetrics, webhooks = [], audit, ...shared } = options
  const registry = createRegistry(integrations)
  const running = new Set<Promise<void>>()
  return {
    ...shared,
    metrics,
    webhooks,
    audit: { days: defaultAuditDays, reads: 'minute', ...audit },
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

/**
 * The method as it is at the authorization server that the values name: with the host's app there, where the user
 * chooses the server.
 *
 * @throws {@link AuthFlowError} `client_misconfigured` when the host has no app there
 */
export function methodAt(method: OAuth2Method, fields: MethodFields): OAuth2Method {
  if (!method.appAt) return method
  const app = method.appAt(method.issuer?.(fields) ?? '')
  if (!app) throw new AuthFlowError('client_misconfigured', 'There is no app at this authorization server.')
  return { ...method, client: { ...method.client, ...app } }
}

function connectable({ id, metadata, connect }: Integration): Connectable {
  if (connect) return { id, provider: metadata.id, name: metadata.name, ...connect }
  throw new AuthFlowError(
    'unknown_integration',
    `Accounts can't connect to ${id}: it was made without \`connect: true\`.`,
    { details: { integration: id } },
  )
}

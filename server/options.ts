// What a host configures, checked once in the constructor: every mistake is named before anything opens.

import { AuthFlowError } from '../shared/errors.ts'
import { namePattern } from '../shared/ids.ts'
import type { Logger } from '../shared/log.ts'
import type { AuditSettings } from './connect/context.ts'
import { parseSecretKeys, type SecretKeys } from './connect/secret-keys.ts'
import {
  readWebhookEndpoints,
  type ConnectionWebhook,
  type WebhookEndpoint,
} from './connect/webhook-endpoints.ts'
import type { Method } from './integrations/integration.ts'
import { isLoopbackHost } from './net/url-guard.ts'
import { readTrustedProxies, type TrustedProxies } from './http/client-address.ts'
import type { GuessBounds } from './http/guess-guard.ts'
import { readMetricsAccess, type MetricsAccess } from './http/metrics-route.ts'
import { isPageOrigin } from './http/origins.ts'
import type { OwnPageTexts } from './http/page-texts.ts'
import { createRateLimiter, type RateLimits } from './http/rate-limits.ts'
import { readRetention, type Retention, type RetentionOptions } from './jobs/retention.ts'
import { readQueueOption, type QueueOption, type RedisTarget } from './queue/redis-options.ts'
import type { IntegrationList } from './server-api.ts'
import type { TracingOptions } from './tracing.ts'
import { readEncryptionKeys, type KeyProvider, type RingSource } from './vault/key-provider.ts'
import type { LogLevel } from './vault/logger.ts'

/** What {@link AuthFlow} is made with. An option that is there but undefined is a `missing_option`. */
export interface AuthFlowOptions<I extends IntegrationList> {
  /** Name of the environment: part of every ciphertext's context. A store keeps to one. */
  readonly environment: string | undefined
  /** Where browsers reach this server, with the path it is mounted at. https, or http on a loopback host. */
  readonly baseUrl: string | undefined
  /** `sqlite:./authflow.db` or `mongodb://…`. */
  readonly store: string | undefined
  /**
   * `redis://…` or `rediss://…` of one Redis or Valkey, or the servers of a cluster or of sentinels; needs the packages
   * `bullmq` and `ioredis`. Nothing is lost with it: runs are in the store. Default: the store itself.
   */
  readonly queue?: QueueOption | undefined
  /**
   * `kid:base64` of 32 random bytes, several separated by commas; the first one writes. Or a provider that has them
   * unwrapped by a key service at start.
   */
  readonly encryptionKeys: string | KeyProvider | undefined
  /** `id=scope+scope=hex` with the SHA-256 of each key, several separated by commas (default: the server API takes no key). */
  readonly secretKeys?: string | undefined
  /** Providers with the host's settings. Each has its own id. */
  readonly integrations: I
  /** Lets loopback pages mint connect tokens for any account while `baseUrl` is loopback (default false). */
  readonly development?: boolean
  /** Runs jobs and upkeep in this process (default true). */
  readonly worker?: boolean
  /** Runs at a time in this process, 1 to 1000 (default 50). */
  readonly concurrency?: number
  /** Serves `integrations.describe` to anybody (default true). */
  readonly describe?: boolean
  /**
   * Words of your own for the pages on the way to a provider and back, by language: `{ de: { closeHint: '…' } }`. What you
   * leave out stays in the nearest of en, de, fr, es, ja, pt and ar.
   */
  readonly pageTexts?: OwnPageTexts
  /** Lets people connect on pages of this server, see `connectPages.create` (default: there are none). */
  readonly connectPages?: ConnectPagesOption
  /**
   * Serves `/metrics` for Prometheus (default: not at all). `true`: to callers on this machine that no proxy stands
   * before. With `token`, 32 to 256 characters: to whoever sends it as bearer, from anywhere.
   */
  readonly metrics?: MetricsAccess
  /**
   * Makes spans of events, runs, tasks, refreshes, webhooks and requests to providers, for the tracer that the host has
   * registered with `@opentelemetry/api` (default false).
   */
  readonly tracing?: boolean | TracingOptions
  /** Endpoints of yours that are told of every change of a connection, signed as Standard Webhooks says (default: none). */
  readonly connectionWebhooks?: readonly ConnectionWebhook[]
  /** How reads of credentials get into the audit trail (default: counted per minute). */
  readonly audit?: Partial<Pick<AuditSettings, 'reads'>>
  /**
   * How long runs, events, webhook requests and the audit trail are kept, in days (default: 30, 30, bodies 7 and ids 35,
   * 365). What is still needed is kept in any case.
   */
  readonly retention?: RetentionOptions
  /**
   * Proxies before the server: how many, or their addresses and networks. Only what they say is believed about where a
   * request comes from (default: none; `X-Forwarded-For` is not read).
   */
  readonly trustedProxies?: TrustedProxies
  /** Bounds for a minute and process: starts of an account, wrong tokens from an address. `false` lifts both. */
  readonly rateLimits?: RateLimits | false
  /** Least important line of the log on standard output (default `info`); of no effect with `logger`. */
  readonly log?: LogLevel
  /** Writes the lines of `io.logger` to the log, too (default false). */
  readonly logRunLines?: boolean
  /** Takes the library's log instead. Secrets are taken out before it sees them. */
  readonly logger?: Logger
}

/** How connect pages are made. */
export interface ConnectPagesOption {
  /** Exact origins of yours at which pages are confirmed and to which they lead back: `https://app.example.com`. */
  readonly origins: readonly string[]
  /** Your name as your customers know it (default: the host name of `returnUrl`). */
  readonly name?: string
  /**
   * File with the script of the page, where the server is bundled and does not find its own package
   * (default: `dist/cdn/connect-page.js` of the package).
   */
  readonly script?: URL
}

/** The options, read. */
export interface Settings {
  readonly environment: string
  readonly baseUrl: URL
  readonly storeUrl: string
  /** Undefined: the store is the queue. */
  readonly queue: RedisTarget | undefined
  /** Opens the key ring at start. */
  readonly openRing: RingSource
  readonly keys: SecretKeys
  readonly development: boolean
  readonly worker: boolean
  /** Undefined: the engine's own. */
  readonly concurrency?: number
  readonly describe: boolean
  readonly pageTexts: OwnPageTexts | undefined
  /** Undefined: there are none. */
  readonly connectPages: ConnectPagesOption | undefined
  readonly webhooks: readonly WebhookEndpoint[]
  readonly audit: AuditSettings
  readonly retention: Retention
  /** Undefined: there are no metrics. */
  readonly metrics: MetricsAccess | undefined
  /** Undefined: nothing is traced. */
  readonly spans: TracingOptions | undefined
  readonly logsRunLines: boolean
  /** Who sends requests, and how often they may. */
  readonly bounds: GuessBounds
}

/**
 * Checks and reads the options.
 *
 * @throws {@link AuthFlowError} `missing_option`, `invalid_option`, `invalid_base_url`, `missing_encryption_key`,
 *   `invalid_encryption_key`, `duplicate_integration`, `insecure_endpoint`
 */
export function readOptions(options: AuthFlowOptions<IntegrationList>): Settings {
  const environment = required(options.environment, 'environment')
  if (!namePattern.test(environment))
    throw invalid('environment', 'letters, digits, `.`, `_` and `-`, at most 64')
  const baseUrl = readBaseUrl(required(options.baseUrl, 'baseUrl'))
  checkIntegrations(required(options.integrations, 'integrations'), isLoopbackHost(baseUrl.hostname))
  const retention = readRetention(options.retention)
  return {
    environment,
    baseUrl,
    storeUrl: required(options.store, 'store'),
    queue: readQueueOption(options.queue),
    openRing: readEncryptionKeys(options.encryptionKeys),
    keys: parseSecretKeys('secretKeys' in options ? required(options.secretKeys, 'secretKeys') : ''),
    development: options.development ?? false,
    worker: options.worker ?? true,
    ...readConcurrency(options.concurrency),
    describe: options.describe ?? true,
    pageTexts: options.pageTexts,
    connectPages: readConnectPages(options.connectPages, isLoopbackHost(baseUrl.hostname)),
    webhooks: readWebhookEndpoints(options.connectionWebhooks, isLoopbackHost(baseUrl.hostname)),
    audit: { days: retention.auditDays, reads: readAuditedReads(options.audit) },
    retention,
    metrics: readMetricsAccess(options.metrics),
    logsRunLines: options.logRunLines ?? false,
    spans: options.tracing === true ? {} : options.tracing || undefined,
    bounds: {
      clients: readTrustedProxies(options.trustedProxies),
      limiter: createRateLimiter(options.rateLimits),
    },
  }
}

function readConnectPages(
  pages: ConnectPagesOption | undefined,
  loopback: boolean,
): ConnectPagesOption | undefined {
  if (pages === undefined) return undefined
  const { origins, name } = pages
  if (origins.length === 0 || !origins.every((origin) => isPageOrigin(origin, loopback)))
    throw invalid('connectPages.origins', 'exact origins such as https://app.example.com, at least one')
  if (name !== undefined && (name.trim() === '' || name.length > longestName))
    throw invalid('connectPages.name', `a text of at most ${longestName} characters`)
  return pages
}

const longestName = 100

function readAuditedReads({ reads = 'minute' }: Partial<AuditSettings> = {}): AuditSettings['reads'] {
  if (reads !== 'minute' && reads !== 'each') throw invalid('audit.reads', '`minute` or `each`')
  return reads
}

function required<T>(value: T | undefined, option: string): T {
  if (value !== undefined && value !== '') return value
  const state = value === '' ? 'empty' : 'missing'
  const message = `The option \`${option}\` is ${state}. If it comes from an environment variable, is that set?`
  throw new AuthFlowError('missing_option', message, { details: { option } })
}

function readBaseUrl(text: string): URL {
  const refuse = (problem: string) =>
    new AuthFlowError('invalid_base_url', `\`baseUrl\` ${problem}`, { details: { option: 'baseUrl' } })
  if (!URL.canParse(text)) throw refuse('must be an absolute URL, such as https://connect.example.com.')
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
    throw refuse('must be https; http is accepted for loopback hosts only.')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw refuse('may have a host, a port and a path, nothing else.')
  }
  return url
}

function checkIntegrations(integrations: IntegrationList, loopback: boolean): void {
  const seen = new Set<string>()
  for (const { id, endpointOverrides = [], connect } of integrations) {
    if (!namePattern.test(id))
      throw invalid('integrations', 'integrations whose ids are letters, digits, `.`, `_`, `-`')
    if (seen.has(id)) {
      throw new AuthFlowError('duplicate_integration', `Two integrations have the id ${id}.`, {
        details: { integration: id },
      })
    }
    seen.add(id)
    if (!loopback && !endpointOverrides.every(isPublicEndpoint)) {
      const message = `The integration ${id} has an endpoint that is loopback or not https, while \`baseUrl\` is public.`
      throw new AuthFlowError('insecure_endpoint', message, { details: { integration: id } })
    }
    for (const method of connect?.methods ?? []) checkKeyFields(id, method)
  }
}

const keyFields = { apiKey: 'apiKey', basic: 'password', clientCredentials: 'clientSecret' } as const

/** A credential in a field that is not secret would be stored as it is and shown with the connection. */
function checkKeyFields(integration: string, method: Method): void {
  if (method.id === 'oauth2' || method.id === 'device') return
  const name = keyFields[method.id]
  if (method.fields.form.some((field) => field.name === name && field.secret)) return
  const message = `The integration ${integration}: its method ${method.id} needs a field \`${name}\` with \`secret: true\` in its meta.`
  throw new AuthFlowError('invalid_option', message, { details: { option: 'integrations', integration } })
}

function isPublicEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return url.protocol === 'https:' && !isLoopbackHost(url.hostname)
}

const mostAtOnce = 1000

function readConcurrency(concurrency: number | undefined): { readonly concurrency?: number } {
  if (concurrency === undefined) return {}
  if (Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= mostAtOnce) return { concurrency }
  throw invalid('concurrency', `a whole number from 1 to ${mostAtOnce}`)
}

const invalid = (option: string, expected: string) =>
  new AuthFlowError('invalid_option', `\`${option}\` must be ${expected}.`, { details: { option } })

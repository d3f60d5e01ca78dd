// What a server is configured with, for people: no secrets, and nothing is opened.

import type { Integration } from './integrations/integration.ts'
import type { Settings } from './options.ts'
import type { JobVersion } from './queue/queue.ts'
import type { Auth } from '../shared/auth.ts'

/** An integration of a server. */
export interface IntegrationInspection {
  /** The host's id of it. */
  readonly id: string
  /** The provider's id. */
  readonly provider: string
  /** Ways to connect; empty where no account can. */
  readonly methods: readonly string[]
  /** What has to be registered at the provider, where it sends users back. */
  readonly callbackUrl?: string
  /** Client id of the host's app, where there is one. Not a secret. */
  readonly clientId?: string
}

/** What a server is configured with. */
export interface ServerInspection {
  /** Name of the environment. */
  readonly environment: string
  /** Where browsers reach it, without a slash at the end. */
  readonly baseUrl: string
  /** Kind of store; its address may hold a password. */
  readonly store: string
  /** Where hints of due runs are: in the store, or in Redis. */
  readonly queue: 'store' | 'redis'
  /** Development mode was asked for. */
  readonly development: boolean
  /** It runs jobs, unless its start says otherwise. */
  readonly worker: boolean
  /** The jobs that are defined in this process. */
  readonly jobs: readonly JobVersion[]
  /** Its integrations, in order. */
  readonly integrations: readonly IntegrationInspection[]
}

/** What a running server found. */
export interface ServerCheck {
  /** How long a write and a read of the store took, in ms. */
  readonly storeMs: number
  /** How far this machine's clock is behind the database's, in ms; 0 where the database has none of its own. */
  readonly clockOffsetMs: number
}

/** Tells what a server is configured with, and what was defined on it. */
export function inspectServer(
  settings: Settings,
  {
    integrations,
    jobs,
  }: {
    readonly integrations: readonly Integration<string, Auth>[]
    readonly jobs: readonly JobVersion[]
  },
): ServerInspection {
  const { environment, baseUrl, storeUrl, development, worker } = settings
  const base = baseUrl.href.replace(/\/$/, '')
  return {
    environment,
    baseUrl: base,
    store: storeUrl.startsWith('sqlite:') ? 'sqlite' : 'mongodb',
    queue: settings.queue === undefined ? 'store' : 'redis',
    development,
    worker,
    jobs,
    integrations: integrations.map((integration) => inspectIntegration(integration, base)),
  }
}

function inspectIntegration(
  { id, metadata, connect }: Integration<string, Auth>,
  base: string,
): IntegrationInspection {
  const methods = connect?.methods ?? []
  const oauth = methods.find((method) => method.id === 'oauth2')
  const client = methods.flatMap((method) => ('client' in method ? [method.client] : []))[0]
  return {
    id,
    provider: metadata.id,
    methods: methods.map((method) => method.id),
    ...(oauth && { callbackUrl: `${base}/callback/${id}` }),
    ...(client && { clientId: client.clientId }),
  }
}

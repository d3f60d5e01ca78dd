// What a server is configured with, for people: no secrets, and nothing is opened.

import type { Integration } from './integrations/integration.ts'
import type { Settings } from './options.ts'
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
  /** Development mode was asked for. */
  readonly development: boolean
  /** It runs jobs, unless its start says otherwise. */
  readonly worker: boolean
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

/** Tells what a server is configured with. */
export function inspectServer(
  settings: Settings,
  integrations: readonly Integration<string, Auth>[],
): ServerInspection {
  const { environment, baseUrl, storeUrl, development, worker } = settings
  const base = baseUrl.href.replace(/\/$/, '')
  return {
    environment,
    baseUrl: base,
    store: storeUrl.startsWith('sqlite:') ? 'sqlite' : 'mongodb',
    development,
    worker,
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

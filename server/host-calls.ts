// What the host's own process may do about connections: the server API's calls without HTTP, acting under a name of
// their own in the audit trail.

import type { Connect } from './connect/connect.ts'
import { listSecretKeys } from './connect/key-uses.ts'
import type { SecretKeys } from './connect/secret-keys.ts'
import type { JobEngine } from './jobs/engine.ts'
import type { IntegrationList, ServerApi } from './server-api.ts'

/** Who acts in the audit trail when the host's own process does. */
const ownActor = 'server'

/** Calls of the server API that the connect service answers. */
export type ConnectCalls = Pick<
  ServerApi<IntegrationList>,
  | 'connectTokens'
  | 'secretKeys'
  | 'connectLinks'
  | 'connectPages'
  | 'connections'
  | 'accounts'
  | 'integrations'
  | 'audit'
>

/** The calls over a connect service that is opened when it is first needed. */
export function connectCalls(keys: SecretKeys, connect: () => Promise<Connect>): ConnectCalls {
  return {
    connectTokens: {
      create: async (request) => (await connect()).createToken(request, ownActor),
      revoke: async (request) => ({ revoked: await (await connect()).revokeTokens(request, ownActor) }),
    },
    secretKeys: { list: async () => listSecretKeys(keys, (await connect()).keyUses) },
    connectLinks: { create: async (request) => (await connect()).createLink(request, ownActor) },
    connectPages: {
      create: async (request) => (await connect()).createPage(request, ownActor),
      confirm: async (request) => (await connect()).confirmPage(request),
    },
    connections: {
      confirm: async (request) => (await connect()).confirm(request),
      list: async (query = {}) => (await connect()).listConnections(query),
      get: async (query) => (await connect()).getConnection(query),
      disconnect: async (query) => (await connect()).disconnect(query, ownActor),
      setMetadata: async (query) => (await connect()).setMetadata(query, ownActor),
    },
    accounts: { rename: async (request) => (await connect()).renameAccount(request, ownActor) },
    integrations: { rename: async (request) => (await connect()).renameIntegration(request, ownActor) },
    audit: { list: async (query = {}) => (await connect()).listAudit(query) },
  }
}

/** Calls of the server API that the engine answers. */
export type JobCalls = Pick<ServerApi<IntegrationList>, 'runs' | 'events' | 'store'>

/** The calls over an engine that is opened when it is first needed. */
export function jobCalls(engine: () => Promise<JobEngine>): JobCalls {
  return {
    store: {
      global: {
        get: async (name) => (await engine()).values.get(name),
        has: async (name) => (await engine()).values.has(name),
        set: async (name, value) => (await engine()).values.set(name, value),
        delete: async (name) => (await engine()).values.delete(name),
      },
    },
    runs: {
      list: async (query = {}) => (await engine()).listRuns(query),
      get: async ({ id, ...page }) => (await engine()).describeRun(id, page),
      statuses: async ({ id }) => (await engine()).getRunStatuses(id),
      log: async ({ id }) => (await engine()).getRunLog(id),
      cancel: async ({ id }) => (await engine()).cancelRun(id),
      cancelForEvent: async ({ id, ...scope }) => (await engine()).cancelRunsForEvent(id, scope),
      cancelForJob: async ({ job, ...options }) => (await engine()).cancelRunsForJob(job, options),
      replay: async ({ id }) => (await engine()).replayRun(id),
      resume: async ({ id }) => (await engine()).resumeRun(id),
    },
    events: {
      send: async (event, options) => (await engine()).sendEvent(event, options),
      sendMany: async (events, options) => (await engine()).sendEvents(events, options),
      get: async ({ id, ...scope }) => (await engine()).getEvent(id, scope),
      cancel: async ({ id, ...scope }) => (await engine()).cancelEvent(id, scope),
    },
  }
}

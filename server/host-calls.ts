// What the host's own process may do about connections: the server API's calls without HTTP, acting under a name of
// their own in the audit trail.

import type { Connect } from './connect/connect.ts'
import { listSecretKeys } from './connect/key-uses.ts'
import type { SecretKeys } from './connect/secret-keys.ts'
import type { JobEngine } from './jobs/engine.ts'
import { checkObject } from './jobs/event-input.ts'
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

/**
 * What was given to a call, which has to be an object: text in its place would name all accounts.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function membersOf<Given extends object>(call: string, given: Given): Given {
  checkObject(`what ${call} is given`, given, call.includes('.') ? '{ id }' : '{ accountId }')
  return given
}

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
      get: async (query) => {
        const { id, ...page } = membersOf('runs.get', query)
        return (await engine()).describeRun(id, page)
      },
      statuses: async (query) => (await engine()).getRunStatuses(membersOf('runs.statuses', query).id),
      log: async (query) => (await engine()).getRunLog(membersOf('runs.log', query).id),
      cancel: async (query) => (await engine()).cancelRun(membersOf('runs.cancel', query).id),
      cancelForEvent: async (query) => {
        const { id, ...scope } = membersOf('runs.cancelForEvent', query)
        return (await engine()).cancelRunsForEvent(id, scope)
      },
      cancelForJob: async (query) => {
        const { job, ...options } = membersOf('runs.cancelForJob', query)
        return (await engine()).cancelRunsForJob(job, options)
      },
      replay: async (query) => (await engine()).replayRun(membersOf('runs.replay', query).id),
      resume: async (query) => (await engine()).resumeRun(membersOf('runs.resume', query).id),
    },
    events: {
      send: async (event, options) => (await engine()).sendEvent(event, options),
      sendMany: async (events, options) => (await engine()).sendEvents(events, options),
      get: async (query) => {
        const { id, ...scope } = membersOf('events.get', query)
        return (await engine()).getEvent(id, scope)
      },
      cancel: async (query) => {
        const { id, ...scope } = membersOf('events.cancel', query)
        return (await engine()).cancelEvent(id, scope)
      },
    },
  }
}

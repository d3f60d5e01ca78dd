// Puts the connect service together.

import type { Actor } from './audit.ts'
import { listAudit } from './audit-list.ts'
import { beginFlow, cancelFlow } from './begin.ts'
import { keepPostedAnswer } from './answer.ts'
import { finishCallback } from './callback.ts'
import { confirmFlow } from './confirm.ts'
import type { AuthReader, Connect, TokenCaller } from './connect.ts'
import { createConnections, type Connections } from './connections.ts'
import { createContext, type ConnectOptions } from './context.ts'
import { createCredentialReads, type CredentialReads } from './credential-reads.ts'
import { sweepDevices } from './device-flow.ts'
import { FlowHub } from './flow-hub.ts'
import type { WaitingParts } from './flow-parts.ts'
import { createFlowStore } from './flow-store.ts'
import { createGetAuth, type GetAuth } from './get-auth.ts'
import { installUrlOf } from './install.ts'
import { createLink, describeLink, openLink } from './link.ts'
import { createNotices } from './notices.ts'
import type { TokenRecord } from './records.ts'
import { createRefresher } from './refreshing.ts'
import { startFlow } from './start.ts'
import { submitFlow } from './submit.ts'
import { createTeardowns } from './teardown.ts'
import { createTokens } from './tokens.ts'
import { createUpkeep } from './upkeep.ts'
import { integrationView } from './views.ts'
import { watchFlows } from './watch.ts'

/**
 * The connect service over a migrated store. Several may share one store, in one process or many.
 *
 * After `close` nothing is waited for any more; calls that only read and write the store go on working until the store
 * is closed.
 *
 * @throws {@link AuthFlowError} `duplicate_integration`
 */
export function createConnect(options: ConnectOptions): Connect {
  const context = createContext({
    ...options,
    async onChange(change) {
      notices.runSoon(change.connection.id)
      await options.onChange?.(change)
    },
  })
  const notices = createNotices(context)
  const reads = createCredentialReads(context)
  const hub = new FlowHub(context.store)
  const tokens = createTokens(context)
  const flows = createFlowStore(context, hub)
  const teardowns = createTeardowns(context)
  const connections = createConnections(context, teardowns)
  const refresher = createRefresher(context, teardowns)
  const parts: WaitingParts = { context, tokens, flows, teardowns, hub }
  return {
    createToken: tokens.create,
    allowsOrigin: tokens.allowsOrigin,
    describe: (integration) => integrationView(context.integration(integration)),
    begin: (caller, input) => beginFlow(parts, caller, input),
    submit: (caller, input) => submitFlow(parts, caller, input),
    watch: (caller, input, signal) => watchFlows(parts, caller, { ...input, signal }),
    cancel: (caller, input) => cancelFlow(parts, caller, input),
    ...ownCalls(parts, connections),
    async runsAccount(caller) {
      return (await tokens.check(caller, { purposes: ['runs'] })).accountId
    },
    start: (form, origin, cookieNames) => startFlow(parts, { form, origin, cookieNames }),
    callback: (request) => finishCallback(parts, request),
    keepPosted: (request) => keepPostedAnswer(context, request),
    installUrl: (request) => installUrlOf(context, request),
    ...linkCalls(parts),
    listConnections: connections.list,
    getConnection: connections.get,
    findConnection: connections.find,
    disconnect: ({ forget, ...key }, actor) => connections.disconnect(key, ownActor(actor), forget),
    setMetadata: ({ metadata, ...key }, actor) => connections.setMetadata(key, metadata, ownActor(actor)),
    listAudit: (query) => listAudit(context, query),
    getAuth: notingReads(createGetAuth(context, refresher), reads),
    sweep: createUpkeep(context, [
      refresher.sweep,
      teardowns.sweep,
      notices.sweep,
      () => sweepDevices(parts),
    ]),
    async close() {
      hub.close()
      await refresher.settled()
      await context.settled()
      await reads.flush()
    },
  }
}

/** What an account may do with its own connections. */
function ownCalls(
  { tokens }: WaitingParts,
  connections: Connections,
): Pick<Connect, 'listOwn' | 'disconnectOwn'> {
  const managing = (caller: TokenCaller, integration?: string): Promise<TokenRecord> =>
    tokens.check(caller, { purposes: ['manage'], ...(integration === undefined ? {} : { integration }) })
  return {
    async listOwn(caller) {
      const token = await managing(caller)
      return connections.listOf(token.accountId, token.integrations)
    },
    async disconnectOwn(caller, { integration }) {
      const token = await managing(caller, integration)
      const actor: Actor = { name: token.actor, key: token.mintedBy }
      return connections.disconnect({ integration, accountId: token.accountId }, actor)
    },
  }
}

/** A backend acts under the id of its secret key. */
const ownActor = (key: string): Actor => ({ name: key, key })

/** Who has no key is the host's own process. */
const hostProcess: AuthReader = { key: 'server' }

/** `getAuth` with its trace in the audit trail. */
function notingReads(getAuth: GetAuth, reads: CredentialReads): Connect['getAuth'] {
  return async (request, reader = hostProcess) => {
    const auth = await getAuth(request)
    await reads.note({ integration: request.id, accountId: request.accountId, auth, reader })
    return auth
  }
}

/** What connecting by a link takes. */
function linkCalls(
  parts: WaitingParts,
): Pick<Connect, 'createLink' | 'describeLink' | 'openLink' | 'confirm'> {
  const { context } = parts
  return {
    createLink: (request, actor) => createLink(context, request, actor),
    describeLink: (token) => describeLink(context, token),
    openLink: (token, origin, cookieNames) => openLink(parts, { token, origin, cookieNames }),
    confirm: (request) => confirmFlow(parts, request),
  }
}

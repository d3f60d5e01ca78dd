// Puts the connect service together.

import type { Auth } from '../../shared/auth.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { FlowView } from '../../shared/flow.ts'
import { noteKeyChange, type Actor } from './audit.ts'
import { listAudit } from './audit-list.ts'
import { beginFlow, cancelFlow } from './begin.ts'
import { keepPostedAnswer } from './answer.ts'
import { finishCallback } from './callback.ts'
import type { ConfigureParts } from './acting.ts'
import { createChoices, type FillChoices } from './choices.ts'
import { listOptions, sweepStaged } from './configure.ts'
import { confirmFlow } from './confirm.ts'
import type { AuthReader, AuthRequest, Connect, TokenCaller } from './connect.ts'
import { confirmPage, createPage, enterPage, mintPageToken, openPage, readPage } from './connect-page.ts'
import { createConnections, type Connections } from './connections.ts'
import { createContext, type ConnectOptions } from './context.ts'
import { createCredentialReads, type CredentialReads } from './credential-reads.ts'
import { sweepDevices } from './device-flow.ts'
import { disconnect } from './disconnect.ts'
import { FlowHub } from './flow-hub.ts'
import type { WaitingParts } from './flow-parts.ts'
import { createFlowStore } from './flow-store.ts'
import { createGetAuth, type GetAuth } from './get-auth.ts'
import { installUrlOf } from './install.ts'
import { createLink, describeLink, openLink } from './link.ts'
import { createNotices } from './notices.ts'
import type { TokenRecord } from './records.ts'
import { createKeyUses } from './key-uses.ts'
import { createRefresher } from './refreshing.ts'
import { createRenames, type Renames } from './rename.ts'
import { speakFlow, speakIntegration } from './speak.ts'
import { startFlow } from './start.ts'
import { submitFlow } from './submit.ts'
import { createTeardowns } from './teardown.ts'
import { revokeTokens } from './revoke-tokens.ts'
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
  const onChange: ConnectOptions['onChange'] = async (change) => {
    notices.runSoon(change.connection.id)
    await options.onChange?.(change)
  }
  const context = createContext({ ...options, onChange })
  const notices = createNotices(context)
  const reads = createCredentialReads(context)
  const hub = new FlowHub(context.store)
  const tokens = createTokens(context)
  const teardowns = createTeardowns(context)
  const flows = createFlowStore(context, hub, teardowns)
  const connections = createConnections(context)
  const refresher = createRefresher(context, teardowns)
  const keyUses = createKeyUses(context)
  const renames = createRenames(context, refresher.sweep)
  const getAuth = createGetAuth(context, refresher)
  const parts: ConfigureParts = { context, tokens, flows, teardowns, hub, getAuth }
  return {
    createToken: tokens.create,
    revokeTokens: (request, actor) => revokeTokens(context, request, ownActor(actor)),
    noteKeyChange: (change, kid) => noteKeyChange(context, change, kid),
    noteKeyUse: keyUses.note,
    keyUses: keyUses.last,
    allowsOrigin: tokens.allowsOrigin,
    ...flowCalls(parts, createChoices(parts)),
    ...ownCalls(parts, connections),
    runsAccount: async (caller) => (await tokens.check(caller, { purposes: ['runs'] })).accountId,
    ...tripCalls(parts),
    ...linkCalls(parts),
    ...pageCalls(parts),
    ...hostCalls(parts, connections),
    ...renameCalls(connections, renames),
    getAuth: notingReads(getAuth, { reads, renames }),
    sweep: createUpkeep(context, [
      refresher.sweep,
      teardowns.sweep,
      notices.sweep,
      renames.sweep,
      () => sweepDevices(parts),
      () => sweepStaged(parts),
    ]),
    async close() {
      hub.close()
      await refresher.settled()
      await context.settled()
      await reads.flush()
    },
  }
}

/** What pages read, and the steps of a flow in them. */
function flowCalls(
  parts: ConfigureParts,
  fill: FillChoices,
): Pick<Connect, 'describe' | 'begin' | 'submit' | 'options' | 'watch' | 'cancel'> {
  const speak = ({ languages = [] }: TokenCaller, view: FlowView): FlowView =>
    speakFlow(view, parts.context.integration(view.integration), languages)
  return {
    describe(id, languages = []) {
      const integration = parts.context.integration(id)
      return speakIntegration(integrationView(integration), integration, languages)
    },
    begin: async (caller, input) => speak(caller, await fill(await beginFlow(parts, caller, input))),
    submit: async (caller, input) => speak(caller, await fill(await submitFlow(parts, caller, input))),
    options: (caller, input) => listOptions(parts, caller, input),
    async watch(caller, input, signal) {
      const views = await watchFlows(parts, caller, { ...input, signal })
      return (await Promise.all(views.map(fill))).map((view) => speak(caller, view))
    },
    cancel: async (caller, input) => speak(caller, await cancelFlow(parts, caller, input)),
  }
}

/** The way to the provider and back. */
function tripCalls(parts: WaitingParts): Pick<Connect, 'start' | 'callback' | 'keepPosted' | 'installUrl'> {
  const { context } = parts
  return {
    start: (form, origin, cookieNames) => startFlow(parts, { form, origin, cookieNames }),
    callback: (request) => finishCallback(parts, request),
    keepPosted: (request) => keepPostedAnswer(context, request),
    installUrl: (request) => installUrlOf(context, request),
  }
}

/** What an account may do with its own connections. */
function ownCalls(parts: WaitingParts, connections: Connections): Pick<Connect, 'listOwn' | 'disconnectOwn'> {
  const managing = (caller: TokenCaller, integration?: string): Promise<TokenRecord> =>
    parts.tokens.check(caller, {
      purposes: ['manage'],
      ...(integration === undefined ? {} : { integration }),
    })
  return {
    async listOwn(caller) {
      const token = await managing(caller)
      return connections.listOf(token.accountId, token.integrations)
    },
    async disconnectOwn(caller, { integration }) {
      const token = await managing(caller, integration)
      const actor: Actor = { name: token.actor, key: token.mintedBy }
      return disconnect(parts, { key: { integration, accountId: token.accountId }, actor })
    },
  }
}

/** What the host's backends may ask and do about connections. */
function hostCalls(
  parts: WaitingParts,
  connections: Connections,
): Pick<Connect, 'listConnections' | 'getConnection' | 'disconnect' | 'setMetadata' | 'listAudit'> {
  return {
    listConnections: connections.list,
    getConnection: connections.get,
    disconnect: ({ forget = false, ...key }, actor) =>
      disconnect(parts, { key, actor: ownActor(actor), forget }),
    setMetadata: ({ metadata, ...key }, actor) => connections.setMetadata(key, metadata, ownActor(actor)),
    listAudit: (query) => listAudit(parts.context, query),
  }
}

/** A backend acts under the id of its secret key. */
const ownActor = (key: string): Actor => ({ name: key, key })

/** Renames, and what is found across them. */
function renameCalls(
  connections: Connections,
  renames: Renames,
): Pick<
  Connect,
  'renameAccount' | 'renameIntegration' | 'formerNames' | 'integrationNow' | 'findConnection'
> {
  return {
    renameAccount: (request, actor) => renames.account(request, ownActor(actor)),
    renameIntegration: (request, actor) => renames.integration(request, ownActor(actor)),
    formerNames: renames.formerNames,
    integrationNow: renames.integrationNow,
    async findConnection({ since, ...key }) {
      const accountId = since === undefined ? key.accountId : await renames.accountNow(key.accountId, since)
      const found = await connections.find({ ...key, accountId })
      return found ?? (accountId === key.accountId ? undefined : connections.find(key))
    },
  }
}

/** Who has no key is the host's own process. */
const hostProcess: AuthReader = { key: 'server' }

/** `getAuth` with its trace in the audit trail. Runs find their account under the name that it has now. */
function notingReads(
  getAuth: GetAuth,
  { reads, renames }: { readonly reads: CredentialReads; readonly renames: Renames },
): Connect['getAuth'] {
  const note = async (request: AuthRequest, reader: AuthReader): Promise<Auth> => {
    const auth = await getAuth(request)
    await reads.note({ integration: request.id, accountId: request.accountId, auth, reader })
    return auth
  }
  return async (request, reader = hostProcess) => {
    if ('key' in reader) return note(request, reader)
    const accountId = await renames.accountNow(request.accountId, reader.since)
    if (accountId === request.accountId) return note(request, reader)
    try {
      return await note({ ...request, accountId }, reader)
    } catch (error) {
      // A rename that is not done yet leaves connections under the old name.
      if (!isAuthFlowError(error) || error.code !== 'not_connected') throw error
      return note(request, reader)
    }
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

/** What connecting on a page of this server takes. */
function pageCalls(
  parts: WaitingParts,
): Pick<Connect, 'createPage' | 'confirmPage' | 'openPage' | 'enterPage' | 'readPage' | 'mintPageToken'> {
  const { context } = parts
  return {
    createPage: (request, actor) => createPage(context, request, actor),
    confirmPage: (request) => confirmPage(context, request),
    openPage: (token, cookies) => openPage(context, token, cookies),
    enterPage: (request) => enterPage(context, request),
    readPage: (request) => readPage(context, request),
    mintPageToken: (request) => mintPageToken(parts, request),
  }
}

// What happens to connections and concerns registrations: an account connects, is renamed, or gives its credentials up.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { TriggerContext } from './context.ts'
import { reconcile, removeWith } from './reconcile.ts'
import { connectionOf, placedAt, registrations, type RegistrationDocument } from './registration-records.ts'

const maxTries = 10
const pageSize = 100
const atOnce = 10

/** Names a connection. */
export interface ConnectionPlace {
  readonly integration: string
  readonly accountId: string
}

/** What is to be told of connections. */
export interface ConnectionListener {
  /** A connection came, changed or went: its registrations are looked at. */
  connectionChanged(change: {
    type: 'connected' | 'needs_reauth' | 'disconnected'
    integration: string
    accountId: string
  }): Promise<void>
  /** A connection is under another name now: its registrations follow. Nothing changes at the provider. */
  connectionMoved(from: ConnectionPlace, to: ConnectionPlace): Promise<void>
  /**
   * Removes what the account has at the provider, with credentials that are about to be given up. The registrations
   * stay and are made again when the account connects.
   */
  tearDown(connection: ConnectionPlace, auth: Auth): Promise<void>
  /** True when the account has something at the provider. */
  hasHooks(connection: ConnectionPlace): Promise<boolean>
}

/** The listener of one server. */
export function listenToConnections(context: TriggerContext): ConnectionListener {
  return {
    connectionChanged: (change) => lookAgain(context, change),
    connectionMoved: (from, to) => move(context, from, to),
    tearDown: (connection, auth) => tearDown(context, connection, auth),
    async hasHooks({ integration, accountId }) {
      const found = await ofConnection(context, integration, accountId)
      return found.some(({ applied }) => applied !== null)
    },
  }
}

async function lookAgain(
  context: TriggerContext,
  { type, integration, accountId }: Parameters<ConnectionListener['connectionChanged']>[0],
): Promise<void> {
  if (type !== 'connected') return
  const { definitions } = context
  // Also those that were made when the trigger's integration had another name.
  const found = (await listAll(context, { index: 'account', equals: accountId })).filter(
    (one) =>
      one.integration === integration || definitions.find(one.trigger)?.source.integration.id === integration,
  )
  const dueAt = Math.floor(context.now())
  await Promise.all(found.map(({ id }) => context.store.update(registrations, id, {}, { set: { dueAt } })))
  for (let at = 0; at < found.length; at += atOnce)
    await Promise.all(found.slice(at, at + atOnce).map(({ id }) => reconcile(context, id)))
}

async function move(context: TriggerContext, from: ConnectionPlace, to: ConnectionPlace): Promise<void> {
  const { store, vault } = context
  for (const { id } of await ofConnection(context, from.integration, from.accountId)) {
    for (let tries = 0; tries < maxTries; tries += 1) {
      const found = await store.get(registrations, id)
      if (found?.connection !== connectionOf(from.integration, from.accountId)) break
      const applied = found.applied && { ...found.applied, accountId: to.accountId }
      const set = { ...placedAt(vault, found, to), applied }
      if (await store.update(registrations, id, { version: found.version }, { set })) break
    }
  }
}

async function tearDown(
  context: TriggerContext,
  { integration, accountId }: ConnectionPlace,
  auth: Auth,
): Promise<void> {
  const { store, leases, definitions } = context
  for (const { id } of await ofConnection(context, integration, accountId)) {
    const lease = await leases.take(`registration/${id}`)
    if (!lease) throw new AuthFlowError('conflict')
    try {
      const { fence } = lease
      const found = await store.updateAndGet(
        registrations,
        id,
        { fence: { lessThan: fence } },
        { set: { fence } },
      )
      const trigger = found && definitions.find(found.trigger)
      if (!found || !trigger) continue
      if (found.applied && trigger.source.kind === 'registration')
        await removeWith(context, found, { ...trigger, source: trigger.source }, auth)
      const set = { applied: null, state: 'waiting' as const, dueAt: Math.floor(context.now()) }
      await store.update(registrations, id, { fence }, { set })
    } finally {
      await lease.release()
    }
  }
}

const ofConnection = (
  context: TriggerContext,
  integration: string,
  accountId: string,
): Promise<RegistrationDocument[]> =>
  listAll(context, { index: 'connection', equals: connectionOf(integration, accountId) })

async function listAll(
  { store }: TriggerContext,
  by: { readonly index: 'account' | 'connection'; readonly equals: string },
): Promise<RegistrationDocument[]> {
  const found: RegistrationDocument[] = []
  let cursor: string | undefined
  do {
    const page = await store.list(registrations, {
      ...by,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    })
    found.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

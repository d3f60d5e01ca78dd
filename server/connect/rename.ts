// Renaming accounts and integrations. A rename is a record first and is then carried out connection by connection, each
// in one transaction: a killed process leaves some moved and some not, and the next one goes on. The record stays: it
// tells runs that began under the old name whose they are now.

import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { checkAccountId, randomText } from '../../shared/ids.ts'
import { insertStep, type NewDocument, type Step } from '../store/store.ts'
import { auditStep, type Actor } from './audit.ts'
import { connectionIdOf } from './connection-id.ts'
import type { ConnectionKey } from './connections.ts'
import type { ConnectContext } from './context.ts'
import { moveSteps, tellMoved, type Move, type MoveSteps } from './move-connection.ts'
import type { ConnectionRecord, RenameRecord } from './records.ts'
import { connectionSet, renameSet } from './sets.ts'
import { membersOf, movedGrant } from './shared-grant.ts'

/** How long one call works before it leaves the rest to the next round, in ms: below the timeout of a client. */
const workForMs = 15_000
/** How long a refresh under way is waited for, in ms: a call of 10 s, or a dead holder's lease, its grace and a round. */
const waitForRefreshMs = 20_000
const lookAgainMs = 100
/** How long a rename that came to a stop is left alone, in ms. */
const tryAgainMs = 60_000
const leaseMs = 10_000
const pageSize = 100
const maxTries = 20
/** Names that one account may have had, one after the other. */
const maxNames = 20

/** What is renamed. */
export interface RenameRequest {
  /** What it is called now. */
  readonly from: string
  /** What it is to be called. */
  readonly to: string
}

/** How far a rename is. */
export interface RenameStatus extends RenameRequest {
  /** Connections moved so far. */
  readonly moved: number
  /** False: the rest follows by itself; the same call again waits for it. */
  readonly done: boolean
}

/** Renames of one connect service. */
export interface Renames {
  /**
   * Gives everything of an account another name. Repeating it goes on, or answers how it ended.
   *
   * @throws {@link AuthFlowError} `already_connected` (the target has a connection; nothing was moved if it was there at the
   *   begin), `conflict` (another rename of the name, or a refresh that takes its time: try again), `invalid_input`
   */
  account(request: RenameRequest, actor: Actor): Promise<RenameStatus>
  /** The same for the connections of an integration. `to` must be configured, `from` need not. Throws `unknown_integration`. */
  integration(request: RenameRequest, actor: Actor): Promise<RenameStatus>
  /** What the account is called now, of which something at the instant `since` had the given name. */
  accountNow(accountId: string, since: number): Promise<string>
  /** The same of an integration. */
  integrationNow(integration: string, since: number): Promise<string>
  /** What the account was called before, newest first. */
  formerNames(accountId: string): Promise<string[]>
  /** Goes on with renames that are not done. */
  sweep(): Promise<void>
}

interface Parts {
  readonly context: ConnectContext
  /** Takes up interrupted refreshes, which nothing may be moved under. */
  readonly recover: () => Promise<void>
  readonly owner: string
}

type Kind = RenameRecord['kind']

const keyOf = (kind: Kind, name: string): string => `${kind}:${name}`

/** The renames of a connect service. */
export function createRenames(context: ConnectContext, recover: () => Promise<void>): Renames {
  const parts: Parts = { context, recover, owner: randomText(22) }
  const { store } = context
  return {
    async account({ from, to }, actor) {
      checkAccountId(from)
      checkAccountId(to)
      return rename(parts, { kind: 'account', from, to, actor })
    },
    async integration({ from, to }, actor) {
      context.integration(to)
      return rename(parts, { kind: 'integration', from, to, actor })
    },
    accountNow: (accountId, since) => nameNow(context, { kind: 'account', name: accountId, since }),
    integrationNow: (integration, since) =>
      nameNow(context, { kind: 'integration', name: integration, since }),
    async formerNames(accountId) {
      const query = { index: 'byTo', equals: keyOf('account', accountId), limit: maxNames }
      const { items } = await store.list(renameSet, { ...query, order: 'desc' })
      return [...new Set(items.map(({ from }) => from))].filter((name) => name !== accountId)
    },
    async sweep() {
      const query = { index: 'open', equals: true, to: store.now() + 1, limit: pageSize }
      const { items } = await store.list(renameSet, query)
      for (const record of items) await carryOutLater(parts, record)
    },
  }
}

/** Follows the renames that were begun at or after the instant `since`. */
async function nameNow(
  { store }: ConnectContext,
  given: { readonly kind: Kind; readonly name: string; readonly since: number },
): Promise<string> {
  let { name, since: from } = given
  for (let names = 0; names < maxNames; names += 1) {
    const query = { index: 'byFrom', equals: keyOf(given.kind, name), from, limit: 1 }
    const [next] = (await store.list(renameSet, query)).items
    if (!next) return name
    name = next.to
    from = next.startedAt + 1
  }
  return name
}

interface Wish extends RenameRequest {
  readonly kind: Kind
  readonly actor: Actor
}

async function rename(parts: Parts, wish: Wish): Promise<RenameStatus> {
  const { context, owner } = parts
  const { store } = context
  const { kind, from, to } = wish
  if (from === to) throw new AuthFlowError('invalid_input', 'from and to are the same name.')
  // One at a time begins a rename of this name, in all processes.
  const lease = await store.acquireLease(`rename:${kind}:${connectionIdOf(kind, from)}`, owner, leaseMs)
  if (!lease) throw new AuthFlowError('conflict', `A rename of ${from} is just being begun.`)
  let record: RenameRecord | undefined
  try {
    record = (await latest(context, wish)) ?? (await begin(context, wish))
  } finally {
    await store.releaseLease(lease)
  }
  if (record.open && record.to !== to) {
    throw new AuthFlowError('conflict', `A rename of ${from} to ${record.to} is under way.`)
  }
  return statusOf(record.open ? await carryOut(parts, record) : record)
}

const statusOf = ({ from, to, moved, open }: RenameRecord): RenameStatus => ({ from, to, moved, done: !open })

/** The rename that the wish repeats: one that is under way, or that is done and left nothing under the old name. */
async function latest(context: ConnectContext, wish: Wish): Promise<RenameRecord | undefined> {
  const { store } = context
  const query = { index: 'byFrom', equals: keyOf(wish.kind, wish.from), order: 'desc', limit: 1 } as const
  const [record] = (await store.list(renameSet, query)).items
  if (!record || record.open) return record
  if (record.to !== wish.to) return undefined
  const [left] = await leftovers(context, { ...record, startedAt: store.now() })
  return left ? undefined : record
}

async function begin(context: ConnectContext, wish: Wish): Promise<RenameRecord> {
  const { store } = context
  const { kind, from, to, actor } = wish
  const startedAt = store.now()
  const record: NewDocument<RenameRecord> = {
    id: `rn_${randomText(22)}`,
    kind,
    from,
    to,
    fromKey: keyOf(kind, from),
    toKey: keyOf(kind, to),
    actor: actor.name,
    key: actor.key,
    startedAt,
    moved: 0,
    open: true,
    dueAt: startedAt,
  }
  const first = { ...record, version: 1 }
  if (kind === 'account') await requireFree(context, first)
  const about =
    kind === 'account' ? { integration: '', accountId: from } : { integration: from, accountId: '' }
  const audit = auditStep(
    startedAt,
    { action: `${kind}.renamed`, actor, connection: { id: null, ...about }, reason: `to ${to}` },
    context.audit.days,
  )
  await store.transact([insertStep(renameSet, record), audit])
  return first
}

/** Nothing is begun that is known to come to a stop. */
async function requireFree({ store, ...context }: ConnectContext, record: RenameRecord): Promise<void> {
  const held = await leftovers({ store, ...context }, record)
  const used = held.filter(({ state }) => state !== 'disconnected').map(({ integration }) => integration)
  const ids = used.map((integration) => connectionIdOf(integration, record.to))
  const targets = await store.getMany(connectionSet, ids)
  const taken = targets.find(({ state }) => state !== 'disconnected')
  if (!taken) return
  const { integration, accountId } = taken
  const message = `${record.to} has a connection to ${integration}, and so has ${record.from}. Disconnect one of them.`
  throw new AuthFlowError('already_connected', message, { details: { integration, accountId } })
}

/** Some of what is still to be moved. What came under the old name of an account later belongs to somebody else. */
async function leftovers({ store }: ConnectContext, record: RenameRecord): Promise<ConnectionRecord[]> {
  const { kind, from, startedAt } = record
  const query =
    kind === 'account'
      ? { index: 'byAccount', equals: from, to: startedAt + 1, limit: pageSize }
      : { index: 'byIntegration', equals: from, limit: pageSize }
  return (await store.list(connectionSet, query)).items
}

/** Moves what there is, for a while. */
async function carryOut(parts: Parts, begun: RenameRecord): Promise<RenameRecord> {
  const { context } = parts
  const { store } = context
  const until = performance.now() + workForMs
  let { moved } = begun
  for (;;) {
    const page = await leftovers(context, begun)
    if (page.length === 0) break
    for (const record of page) {
      if (performance.now() > until) return { ...begun, moved }
      const count = await moveOne(parts, begun, record)
      moved += count
      if (count > 0) await store.update(renameSet, begun.id, {}, { increment: { moved: count } })
    }
  }
  await store.update(renameSet, begun.id, { open: true }, { set: { open: false } })
  return { ...begun, moved, open: false }
}

/** In a round of upkeep: what is in the way may stay there until somebody has disconnected it. */
async function carryOutLater(parts: Parts, record: RenameRecord): Promise<void> {
  const { store, log } = parts.context
  try {
    await carryOut(parts, record)
  } catch (error) {
    if (!isAuthFlowError(error)) throw error
    const { id, kind, from, to } = record
    await store.update(renameSet, id, { open: true }, { set: { dueAt: store.now() + tryAgainMs } })
    log.warn({ code: error.code, kind, from, to }, 'a rename can not go on yet')
  }
}

/** Connections moved: none when it was gone already, several when they share a credential. */
async function moveOne(parts: Parts, begun: RenameRecord, found: ConnectionRecord): Promise<number> {
  const { context } = parts
  const { store } = context
  for (let tries = 0; tries < maxTries; tries += 1) {
    const record = await store.get(connectionSet, found.id)
    if (!record) return 0
    // A shared credential carries the integration's name, too: it goes with everybody who shares it.
    const grantId = record.kind === 'grant' ? record.id : record.grantId
    const together =
      begun.kind === 'integration' && grantId ? await store.get(connectionSet, grantId) : undefined
    const holder = together ?? record
    const count = await whileIdle(parts, holder.id, async (idle) => {
      const moves = together
        ? await groupMoves(context, begun, idle)
        : [{ record: idle, to: placeOf(begun, idle), actor: actorOf(begun) }]
      return moveTogether(context, moves, together ? movedGrant(context, idle, begun.to) : undefined)
    })
    if (count !== undefined) return count
  }
  throw new AuthFlowError('conflict')
}

const actorOf = ({ actor, key }: RenameRecord): Actor => ({ name: actor, key })

const placeOf = ({ kind, to }: RenameRecord, { integration, accountId }: ConnectionRecord): ConnectionKey =>
  kind === 'account' ? { integration, accountId: to } : { integration: to, accountId }

async function groupMoves(
  context: ConnectContext,
  begun: RenameRecord,
  grant: ConnectionRecord,
): Promise<Move[]> {
  const members = await membersOf(context, grant.id)
  const { id } = movedGrant(context, grant, begun.to)
  return members.map((record) => ({
    record,
    to: placeOf(begun, record),
    actor: actorOf(begun),
    grantId: record.state === 'disconnected' ? null : id,
  }))
}

/** One transaction for all. Undefined when somebody changed one of them meanwhile. */
async function moveTogether(
  context: ConnectContext,
  moves: readonly Move[],
  grant?: { readonly steps: () => Promise<readonly Step[]> },
): Promise<number | undefined> {
  const plans: (readonly [Move, MoveSteps])[] = []
  for (const move of moves) plans.push([move, await moveSteps(context, move)])
  const steps = plans.flatMap(([, plan]) => plan.steps)
  if (!(await context.store.transact([...steps, ...((await grant?.steps()) ?? [])]))) return undefined
  for (const [move, plan] of plans) await tellMoved(context, move, plan)
  return plans.length
}

/**
 * Works on a credential while no refresh of it is under way: one that was sent would come back to a record that is gone,
 * and with rotating tokens its answer is all there is. No lease is needed: a refresh says what it is about to do before it
 * does, which changes the record, and then the move does not apply.
 *
 * @throws {@link AuthFlowError} `conflict` when a refresh takes too long
 */
async function whileIdle<T>(
  { context, recover }: Parts,
  id: string,
  work: (record: ConnectionRecord) => Promise<T>,
): Promise<T | undefined> {
  const until = performance.now() + waitForRefreshMs
  while (performance.now() < until) {
    const record = await context.store.get(connectionSet, id)
    if (!record) return undefined
    if (!record.refreshOpen) return work(record)
    await recover()
    await delay(lookAgainMs)
  }
  throw new AuthFlowError('conflict', 'A refresh of the connection is under way. Try again.')
}

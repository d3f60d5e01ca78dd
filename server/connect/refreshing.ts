// Who refreshes: one caller for any number of callers in any number of processes. In a process they share one flight;
// among processes a lease in the credential's own store decides, and the others wait and read the result.

import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import { follow } from '../../shared/tracing.ts'
import { notConnected } from './connections.ts'
import { credentialLeaseOf } from './connection-id.ts'
import type { ConnectContext } from './context.ts'
import { grantMethodOf } from './grant-method.ts'
import { createLeaseKeeper, type HeldLease, type LeaseKeeper } from './held-lease.ts'
import { markNeedsReauth, needsReauth } from './needs-reauth.ts'
import type { ConnectionRecord } from './records.ts'
import { attemptRefresh, refreshFailed, type AttemptOutcome } from './refresh-attempt.ts'
import { createBreakers, type Breakers, type Permit } from './refresh-breaker.ts'
import { leastLeftMs, refreshNeed, type RefreshNeed } from './refresh-state.ts'
import { connectionSet } from './sets.ts'
import type { Teardowns } from './teardown.ts'

/** How long callers wait for a credential: a call of 10 s, and a dead holder's lease of 2 s with its 5 s of grace. */
const waitForMs = 25_000
/** How long they wait while what they have is good for a while: a slow provider is no reason to be slow. */
const waitEarlyMs = 1_000
/** Waiting callers look again after about this long, and when the store changed. */
const lookAgainMs = 120
/** A store that has just come back may still get the save of a holder that is alive. */
const writableBeforeRecoveryMs = 5_000
/** Refreshes younger than this are not taken for interrupted by the sweep. */
const sweepAfterMs = 3_000
const sweepSize = 100
const sweepAtOnce = 20
/** Attempts of one flight; more than one only when others change the record at the same time. */
const maxAttempts = 5

/** True when the provider refused the access token that the record holds now. */
export type IsRejected = (record: ConnectionRecord) => boolean

/** Keeps credentials fresh. */
export interface Refresher {
  /**
   * The record with a credential to use: refreshed where that was needed, or as it is where it is still valid and the
   * refresh failed or takes its time. What has less than 30 s left is given out only after a refresh failed.
   *
   * @throws {@link AuthFlowError} `needs_reauth`, `not_connected`, `refresh_failed`, `client_misconfigured`
   */
  refresh(record: ConnectionRecord, isRejected: IsRejected): Promise<ConnectionRecord>
  /** Takes up refreshes whose process is gone. */
  sweep(): Promise<void>
  /** Resolves once the refreshes of this process have ended. */
  settled(): Promise<void>
}

/** The refresher of a connect service. */
export function createRefresher(context: ConnectContext, teardowns: Teardowns): Refresher {
  const { store } = context
  const leases = createLeaseKeeper(store, randomText(22))
  const flights = new Map<string, Promise<ConnectionRecord>>()
  const breakers = createBreakers(() => store.now())
  const parts: RefreshParts = { context, teardowns, leases, breakers }

  const fly = (id: string, goal: Goal): Promise<ConnectionRecord> => {
    const existing = flights.get(id)
    if (existing) return existing
    const flight = refreshLoop(parts, id, goal).finally(() => flights.delete(id))
    flights.set(id, flight)
    return flight
  }
  return {
    async refresh(record, isRejected) {
      const need = (read: ConnectionRecord): RefreshNeed => refreshNeed(read, store.now(), isRejected(read))
      const goal = { need, patient: true }
      const late = (): never => {
        throw refreshFailed(record, store.now())
      }
      const { expiresAt } = record
      if (need(record) === 'early' && expiresAt !== null && expiresAt - store.now() > leastLeftMs) {
        return within(waitEarlyMs, fly(record.id, goal), () => record)
      }
      const first = await within(waitForMs + 1_000, fly(record.id, goal), late)
      // The flight may have been another caller's, who did not know that the provider refused the token.
      if (!isRejected(first)) return first
      return within(waitForMs + 1_000, fly(record.id, goal), late)
    },
    async sweep() {
      const query = { index: 'openRefreshes', equals: true, to: store.now() - sweepAfterMs, limit: sweepSize }
      const { items } = await store.list(connectionSet, query)
      const need = (read: ConnectionRecord): RefreshNeed => (read.refreshOpen ? 'early' : 'none')
      for (let at = 0; at < items.length; at += sweepAtOnce) {
        const some = items.slice(at, at + sweepAtOnce)
        const results = await Promise.allSettled(some.map(({ id }) => fly(id, { need, patient: false })))
        for (const { status } of results) {
          if (status === 'rejected') context.log.warn({}, 'an interrupted refresh could not be taken up yet')
        }
      }
    },
    async settled() {
      await Promise.allSettled(flights.values())
    },
  }
}

interface RefreshParts {
  readonly context: ConnectContext
  readonly teardowns: Teardowns
  readonly leases: LeaseKeeper
  readonly breakers: Breakers
}

interface Goal {
  readonly need: (record: ConnectionRecord) => RefreshNeed
  /** False: do nothing while another has the lease. */
  readonly patient: boolean
}

async function refreshLoop(parts: RefreshParts, id: string, goal: Goal): Promise<ConnectionRecord> {
  const { context, leases, breakers } = parts
  const { store } = context
  const giveUpAt = performance.now() + waitForMs
  for (let attempts = 0; ;) {
    const record = await readUsable(context, id)
    const need = goal.need(record)
    if (need === 'none') return record
    if (need === 'over') {
      await markNeedsReauth(context, record, 'expired')
      continue
    }
    const isTooEarly = record.refreshRetryAt !== null && record.refreshRetryAt > store.now()
    if (isTooEarly || attempts >= maxAttempts) return unrefreshed(context, record, need)
    const permit = breakers.enter(tokenHostOf(context, record))
    if ('waitMs' in permit) return unrefreshed(context, record, need, permit.waitMs)
    const lease = await leases.take(credentialLeaseOf(id)).catch((error: unknown) => {
      permit.abandon()
      throw error
    })
    if (lease) {
      attempts += 1
      const outcome = await underLease(parts, { lease, permit, id, goal })
      // Whatever is wrong with what the provider just gave, asking again at once would not mend it.
      if (outcome === 'saved') return readUsable(context, id)
      if (outcome === 'other') continue
      if (need === 'early') return record
      throw outcome
    }
    permit.abandon()
    if (!goal.patient || performance.now() > giveUpAt) return unrefreshed(context, record, need)
    await storeChange(context)
  }
}

/** What a circuit stands for. A method whose address can't be had fails where it is used. */
function tokenHostOf(context: ConnectContext, record: ConnectionRecord): string {
  const { integration, fields } = record
  try {
    const method = grantMethodOf(context.integration(integration), record, fields)
    return new URL(method?.tokenUrl(fields) ?? '').host
  } catch {
    return `integration ${integration}`
  }
}

/** Serves what is still valid; else the caller has to come back. */
function unrefreshed(
  { store }: ConnectContext,
  record: ConnectionRecord,
  need: RefreshNeed,
  waitMs = 0,
): ConnectionRecord {
  if (need === 'early') return record
  throw refreshFailed(record, store.now(), waitMs)
}

interface Turn {
  readonly lease: HeldLease
  readonly permit: Permit
  readonly id: string
  readonly goal: Goal
}

/** One turn with the lease, which is given back in the end, whatever comes of it. */
async function underLease(parts: RefreshParts, turn: Turn): Promise<AttemptOutcome> {
  const { lease, permit } = turn
  try {
    const record = await readUnderLease(parts, turn)
    if (!record) return 'other'
    return await follow(
      parts.context.tracing?.refreshing(record.integration),
      () => attemptRefresh(parts, { lease, permit }, record),
      (outcome) => (typeof outcome === 'string' ? { outcome } : { error: outcome }),
    )
  } finally {
    permit.abandon()
    await lease.release()
  }
}

/** Reads again, because the holder before may have just saved; undefined when a refresh is not needed any more. */
async function readUnderLease(
  { context, leases }: RefreshParts,
  { lease, id, goal }: Turn,
): Promise<ConnectionRecord | undefined> {
  let record = await readUsable(context, id)
  while (record.refreshOpen && leases.writableForMs() < writableBeforeRecoveryMs && !lease.lost) {
    await delay(250)
    record = await readUsable(context, id)
  }
  const need = goal.need(record)
  return lease.lost || need === 'none' || need === 'over' ? undefined : record
}

async function readUsable({ store }: ConnectContext, id: string): Promise<ConnectionRecord> {
  const record = await store.get(connectionSet, id)
  if (!record) throw new AuthFlowError('not_connected')
  if (record.state === 'disconnected') throw notConnected(record)
  if (record.state === 'needs_reauth') throw needsReauth(record)
  return record
}

/** Resolves soon after the store changed, and after a moment in any case. */
async function storeChange({ store }: ConnectContext): Promise<void> {
  const stop = new AbortController()
  const stopListening = store.onChange(() => stop.abort())
  const waitMs = lookAgainMs * (0.75 + Math.random() / 2)
  await delay(waitMs, undefined, { signal: stop.signal }).catch(() => undefined)
  stopListening()
}

/** What the work gives, or after `ms` what `late` gives; the work goes on then. */
async function within<T extends object>(ms: number, work: Promise<T>, late: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return (await Promise.race([work, timeout])) ?? late()
  } finally {
    clearTimeout(timer)
  }
}

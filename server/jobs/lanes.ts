// Slots of concurrency limits. A lane's row says which runs hold its slots, and changes by compare-and-set only, so that
// there are never more of them than its limit. Runs begin to wait, are given slots in their turn, and give them back:
// all of that is one turn of the lane, and what is asked of a lane meanwhile shares the next one.
//
// A run has a slot when its row names it; it runs only once its own record says so too. A crash in between leaves one
// without the other: `sweep` brings both together, in favour of the run.

import { removeStep, updateStep, type Change, type Match, type NewDocument } from '../store/store.ts'
import { pause, persist, type EngineCore } from './core.ts'
import {
  laneOf,
  lanes,
  waitOf,
  waits,
  type LaneDocument,
  type LaneRef,
  type WaitDocument,
} from './lane-records.ts'
import { nextTurns } from './lane-turns.ts'
import { places, runs, type RunDocument } from './records.ts'

/** Most slots given in one turn; the next turn goes on. */
const grantsPerTurn = 200
/** Lanes that one round of the sweep looks at, of those with rows and of those with waiting runs. */
const lanesPerRound = 100
/** Another process changed the row: try again after up to this, in ms. */
const contendedMs = 10

/** A turn that is under way when the engine stops has so long, in ms. */
const longestSettlingMs = 5000

/** What one caller asks of a lane's next turn. */
interface Order {
  readonly ref?: LaneRef | undefined
  readonly release?: { readonly runId: string; readonly token: number }
  readonly inspects?: boolean
}

/** What a turn of a lane is asked for. */
interface Orders {
  /** Slots to give back: the token by the run. */
  readonly releases: Map<string, number>
  /** The lane as the newest of those who asked knows it. */
  ref: LaneRef | undefined
  /** Also looks whether those that hold slots are entitled to them. */
  inspects: boolean
}

/** Turns of one lane in this process. */
interface Line {
  running: Promise<void> | undefined
  next: { readonly orders: Orders; readonly done: Promise<void> } | undefined
}

/** A run that gets a slot. */
interface Grant {
  readonly wait: WaitDocument
  readonly run: RunDocument
  readonly token: number
}

/** What a turn makes of a row. */
interface Plan {
  readonly ref: LaneRef
  readonly holders: Readonly<Record<string, number>>
  readonly token: number
  readonly cursor: string | undefined
  readonly grants: readonly Grant[]
  /** Waits that lead nowhere. */
  readonly stale: readonly WaitDocument[]
  readonly isChanged: boolean
  /** There may be room for more. */
  readonly again: boolean
}

/** Lanes of one engine. */
export class Lanes {
  readonly #core: Pick<EngineCore, 'store' | 'queue' | 'now' | 'log'>
  readonly #lines = new Map<string, Line>()
  #isGivenUp = false
  #rowCursor = '!'
  #waitCursor = '!'

  constructor(core: Pick<EngineCore, 'store' | 'queue' | 'now' | 'log'>) {
    this.#core = core
  }

  /** Lets a run that is due wait for its lanes; it is queued again with all their slots. What it holds, it gives back. */
  async enter(run: RunDocument, refs: readonly LaneRef[]): Promise<void> {
    const { store } = this.#core
    if (run.slots !== undefined) {
      const bare = await store.updateAndGet(runs, run.id, { version: run.version }, { unset: ['slots'] })
      if (bare === undefined) return
      this.leave(run)
      return this.enter(bare, refs)
    }
    const wait = waitOf(run, refs)
    if (wait === undefined) return
    await store.insert(waits, wait)
    // When it is not this version any more, somebody gave it its slot already, or took or ended it.
    await store.update(
      runs,
      run.id,
      { version: run.version },
      { set: { state: 'blocked', waitsFor: wait }, unset: ['place', 'dueAt'] },
    )
    void this.#try(wait.lane.id, { ref: wait.lane })
  }

  /** Runs were stored as blocked, with their waits: gives them their slots, as far as there are any. Never rejects. */
  async admit(entered: readonly NewDocument<WaitDocument>[]): Promise<void> {
    const refs = new Map(entered.map(({ lane }) => [lane.id, lane]))
    await Promise.all([...refs.values()].map((ref) => this.#try(ref.id, { ref })))
  }

  /** Gives back the slots of a run whose record does not name them any more. The sweep does it if this process dies. */
  leave(run: Pick<RunDocument, 'id' | 'slots'>): void {
    for (const [lane, token] of Object.entries(run.slots ?? {}))
      void this.#try(lane, { release: { runId: run.id, token } })
  }

  /** A run that waited is over. */
  forget(run: Pick<RunDocument, 'waitsFor'>): void {
    // One that is left is found in its turn.
    if (run.waitsFor !== undefined) this.#core.store.remove(waits, run.waitsFor.id).catch(() => undefined)
  }

  /** Resolves when nothing is under way; what a store that is away holds up is given up after a while. */
  async settled(): Promise<void> {
    const late = setTimeout(() => (this.#isGivenUp = true), longestSettlingMs)
    while (this.#lines.size > 0)
      await Promise.all([...this.#lines.values()].map(({ running, next }) => next?.done ?? running)).catch(
        () => undefined,
      )
    clearTimeout(late)
  }

  /** One round: frees leaked slots, finishes what was cut off, gives out slots that a higher limit brought. */
  async sweep(): Promise<void> {
    const { store } = this.#core
    const rows = await store.range(lanes, this.#rowCursor, '~', lanesPerRound)
    const last = rows.at(-1)
    this.#rowCursor = rows.length < lanesPerRound || last === undefined ? '!' : `${last.id}!`
    const found = new Map<string, LaneRef | undefined>(rows.map(({ id }) => [id, undefined]))
    for (let count = 0; count < lanesPerRound; count += 1) {
      const [wait] = await store.range(waits, this.#waitCursor, '~', 1)
      if (wait === undefined) {
        this.#waitCursor = '!'
        break
      }
      found.set(laneOf(wait.id), wait.lane)
      this.#waitCursor = `${laneOf(wait.id)}0`
    }
    for (const [id, ref] of found) await this.#turn(id, { ref, inspects: true })
  }

  async #try(lane: string, order: Order): Promise<void> {
    try {
      await this.#turn(lane, order)
    } catch (error) {
      this.#core.log.warn({ err: error, lane }, 'a turn of a lane failed; the sweep makes up for it')
    }
  }

  /** Resolves when a turn was taken that heeded the order. */
  #turn(lane: string, order: Order): Promise<void> {
    const line: Line = this.#lines.get(lane) ?? { running: undefined, next: undefined }
    this.#lines.set(lane, line)
    if (line.next === undefined) {
      const orders: Orders = { releases: new Map(), ref: undefined, inspects: false }
      const done = (line.running ?? Promise.resolve())
        .catch(() => undefined)
        .then(() => {
          line.next = undefined
          line.running = done
          return this.#take(lane, orders)
        })
        .finally(() => {
          line.running = undefined
          if (line.next === undefined) this.#lines.delete(lane)
        })
      line.next = { orders, done }
    }
    const { orders, done } = line.next
    orders.ref = newer(orders.ref, order.ref)
    if (order.release !== undefined) orders.releases.set(order.release.runId, order.release.token)
    if (order.inspects === true) orders.inspects = true
    return done
  }

  async #take(lane: string, given: Orders): Promise<void> {
    const { store } = this.#core
    let orders = given
    for (;;) {
      const row = await this.#persist(() => store.get(lanes, lane))
      const plan = await this.#persist(() => this.#plan(lane, row, orders))
      if (plan === undefined) return
      if (plan.isChanged && !(await this.#persist(() => this.#write(row, plan)))) {
        await pause(Math.random() * contendedMs)
        continue
      }
      await Promise.all(plan.stale.map(({ id }) => store.remove(waits, id)))
      await Promise.all(plan.grants.map((grant) => this.#complete(grant)))
      if (!plan.again) return
      orders = { releases: new Map(), ref: orders.ref, inspects: false }
    }
  }

  /** Undefined when there is no such lane and nothing to make one for. */
  async #plan(lane: string, row: LaneDocument | undefined, orders: Orders): Promise<Plan | undefined> {
    const { store, now } = this.#core
    const ref = newer(row && refOf(row), orders.ref)
    if (ref === undefined) return undefined
    const token = Math.max(Math.floor(now()), (row?.token ?? 0) + 1)
    const holders: Record<string, number> = { ...row?.holders }
    for (const [runId, held] of orders.releases) if (holders[runId] === held) delete holders[runId]
    const grants: Grant[] = []
    if (orders.inspects) grants.push(...(await this.#inspect(lane, holders, token)))
    const stale: WaitDocument[] = []
    const room = Math.min(grantsPerTurn, ref.max - Object.keys(holders).length)
    let cursor = row?.cursor
    // A slot that was given before, but not told to the run.
    let isRepeated = false
    if (room > 0) {
      const next = await nextTurns(store, lane, { cursor, count: room })
      cursor = next.cursor
      const found = await runsOf(this.#core, next.waits)
      for (const wait of next.waits) {
        const run = found.get(wait.runId)
        if (run === undefined || !isEntitled(run, wait)) stale.push(wait)
        else {
          isRepeated ||= holders[run.id] !== undefined
          holders[run.id] = token
          grants.push({ wait, run, token })
        }
      }
    }
    const again = isRepeated || stale.length > 0 || grants.length >= grantsPerTurn
    return { ref, holders, token, cursor, grants, stale, again, isChanged: isChange(row, ref, holders) }
  }

  /**
   * Takes slots from those that have no use for them, and gives those that were given one only by the row the rest of
   * it. With a new token each: whoever was cut off while giving or taking the old one can't do it later.
   */
  async #inspect(lane: string, holders: Record<string, number>, token: number): Promise<Grant[]> {
    const { store } = this.#core
    const grants: Grant[] = []
    const ids = Object.keys(holders)
    const found = new Map<string, RunDocument>()
    for (let from = 0; from < ids.length; from += 1000)
      for (const run of await store.getMany(runs, ids.slice(from, from + 1000))) found.set(run.id, run)
    const onTheWay: NewDocument<WaitDocument>[] = []
    for (const id of ids) {
      const run = found.get(id)
      if (run?.slots?.[lane] !== undefined) {
        if (run.state === 'blocked' && run.waitsFor !== undefined) onTheWay.push(run.waitsFor)
        continue
      }
      const { id: waitId } =
        run?.waitsFor ?? (run && waitOf(run, [{ id: lane, name: '', max: 0, since: 0 }])) ?? {}
      const wait = waitId?.startsWith(lane) ? await store.get(waits, waitId) : undefined
      if (run !== undefined && wait !== undefined && isEntitled(run, wait)) {
        holders[id] = token
        grants.push({ wait, run, token })
      } else delete holders[id]
    }
    await this.#resume(onTheWay)
    return grants
  }

  /** Runs that were cut off on the way to their next lane get there. */
  async #resume(onTheWay: readonly NewDocument<WaitDocument>[]): Promise<void> {
    const { store } = this.#core
    for (const wait of onTheWay)
      if ((await store.get(waits, wait.id)) === undefined && (await store.insert(waits, wait)))
        void this.#try(wait.lane.id, { ref: wait.lane })
  }

  #write(row: LaneDocument | undefined, plan: Plan): Promise<boolean> {
    const { store } = this.#core
    const { ref, holders, token, cursor } = plan
    const active = Object.keys(holders).length
    const { id, name, max: limit, since, isOfAccount } = ref
    if (row === undefined) {
      const made = { id, name, limit, since, active, holders, token }
      return store.insert(lanes, {
        ...made,
        ...(cursor === undefined ? {} : { cursor }),
        ...(isOfAccount === undefined ? {} : { isOfAccount }),
      })
    }
    const { version } = row
    if (active === 0 && isOfAccount === true) return store.remove(lanes, id, { version })
    const set = { limit, since, active, holders, token, ...(cursor === undefined ? {} : { cursor }) }
    return store.update(lanes, id, { version }, { set })
  }

  /** Tells the run's record of its slot: it is due with the last one, and waits for the next one before. */
  async #complete(grant: Grant): Promise<void> {
    const { store } = this.#core
    const { wait, token } = grant
    let { run } = grant
    for (;;) {
      if (await this.#persist(() => this.#tell(run, wait, token))) return
      const again = await this.#persist(() => store.get(runs, wait.runId))
      if (again === undefined || !isEntitled(again, wait)) {
        // Somebody else told it, or it is over. With another token the slot is not this grant's any more.
        if (again?.slots?.[wait.lane.id] === undefined)
          void this.#try(wait.lane.id, { release: { runId: wait.runId, token } })
        return void (await store.remove(waits, wait.id))
      }
      const row = await this.#persist(() => store.get(lanes, wait.lane.id))
      if (row?.holders[again.id] !== token) return
      run = again
    }
  }

  async #tell(run: RunDocument, wait: WaitDocument, token: number): Promise<boolean> {
    const { store } = this.#core
    const slots = { ...run.slots, [wait.lane.id]: token }
    const next = waitOf(
      run,
      wait.rest.filter(({ id }) => slots[id] === undefined),
    )
    const match = { version: run.version }
    if (next === undefined) return this.#makeDue(run, wait, slots)
    const set = { state: 'blocked' as const, slots, waitsFor: next }
    if (!(await store.update(runs, run.id, match, { set, unset: ['place', 'dueAt'] }))) return false
    await store.insert(waits, next)
    // Last: as long as it is there, somebody finds the run.
    await store.remove(waits, wait.id)
    void this.#try(next.lane.id, { ref: next.lane })
    return true
  }

  async #makeDue(run: RunDocument, wait: WaitDocument, slots: Record<string, number>): Promise<boolean> {
    const { store, queue, now } = this.#core
    const dueAt = now()
    const hints = [{ runId: run.id, job: run.job, version: run.jobVersion, dueAt }]
    const match: Match<RunDocument> = { version: run.version }
    const change: Change<RunDocument> = {
      set: { state: 'queued', place: places.queued, dueAt, slots },
      unset: ['waitsFor'],
    }
    if (store.capabilities.cheapTransactions && queue.inStore !== undefined) {
      const steps = [...queue.inStore.steps(hints), updateStep(runs, run.id, match, change)]
      const isDone = await store.transact([...steps, removeStep(waits, wait.id)])
      if (isDone) queue.inStore.announce(hints)
      if (isDone) return true
    }
    await queue.add(hints)
    if (!(await store.update(runs, run.id, match, change))) return false
    await store.remove(waits, wait.id)
    return true
  }

  #persist<T>(work: () => Promise<T>): Promise<T> {
    return persist(work, () => !this.#isGivenUp)
  }
}

const newer = (one: LaneRef | undefined, other: LaneRef | undefined): LaneRef | undefined =>
  one === undefined || (other !== undefined && other.since > one.since) ? other : one

const refOf = ({ id, name, limit, since, isOfAccount }: LaneDocument): LaneRef => ({
  id,
  name,
  max: limit,
  since,
  ...(isOfAccount === undefined ? {} : { isOfAccount }),
})

/** True when the run still waits for just this: as blocked, or about to be. */
const isEntitled = (run: RunDocument, wait: WaitDocument): boolean =>
  run.slots?.[wait.lane.id] === undefined &&
  (run.state === 'blocked'
    ? run.waitsFor?.id === wait.id
    : run.version === wait.runVersion && run.endedAt === undefined && run.state !== 'running')

async function runsOf({ store }: Pick<EngineCore, 'store'>, of: readonly WaitDocument[]) {
  const found = of.length === 0 ? [] : await store.getMany(runs, [...new Set(of.map(({ runId }) => runId))])
  return new Map(found.map((run) => [run.id, run]))
}

function isChange(
  row: LaneDocument | undefined,
  { max, since }: LaneRef,
  holders: Readonly<Record<string, number>>,
): boolean {
  const ids = Object.keys(holders)
  if (row === undefined) return ids.length > 0
  if (row.limit !== max || row.since !== since || row.active !== ids.length) return true
  return ids.some((id) => row.holders[id] !== holders[id])
}

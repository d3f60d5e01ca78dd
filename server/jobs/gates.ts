// Rate limits of providers, kept in the store so that all processes heed them. A gate's row says until when nothing is let
// through and when the next request may go; whoever has to wait is given a time of its own, so that waiters spread. A gate
// that is open costs one read and no write, except where the provider's pace is known.

import { hash } from 'node:crypto'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { RateGate } from '../net/rate-limits.ts'
import { defineSet, type Store, type StoredDocument } from '../store/store.ts'

/** A gate that is closed, is being reopened, or has a pace. */
export interface GateDocument extends StoredDocument {
  /** For people: integration and gate. */
  readonly name: string
  /** Nothing is let through before. */
  readonly closedUntil: number
  /** Nobody is given a time before. */
  readonly next: number
  /** Between two that were waiting, in ms. */
  readonly spacing: number
  /** Where there is a pace: when the last request that was let through may be sent. */
  readonly sentAt?: number
}

/** Gates. */
export const gates = defineSet<GateDocument>('gates')

/** A gate of one integration, for one identity where its scope says so. */
export interface KeyedGate {
  readonly id: string
  readonly name: string
  readonly pace: RateGate['pace']
}

/** A time that was given to one request. */
export interface Ticket {
  /** It may go from then on, in ms. */
  readonly at: number
  /** Ids of the gates in whose lines it has a place. */
  readonly gates: readonly string[]
  /** The request has to be sent then, neither before nor much later; what it waits for is a pace. */
  readonly isSlot?: true
}

/** The gate under the key that its scope asks for. */
export function keyGate(
  gate: RateGate,
  { integration, identity }: { integration: string; identity: string },
): KeyedGate {
  const who = gate.scope === 'app' ? null : identity
  const id = hash('sha256', JSON.stringify([integration, who, gate.name]), 'base64url').slice(0, 32)
  return { id, name: `${integration}/${gate.name}`, pace: gate.pace }
}

const defaultSpacingMs = 100
/** A row that nobody needs any more is kept for so long. */
const keptMs = 24 * 3_600_000
const maxRemembered = 10_000
const maxTries = 50
/** Who comes later than this to the time at which it was to send takes another one. */
const freshMs = 50
/** A known pace is kept to with so much to spare, as requests do not all travel equally fast. */
const margin = 1.2

/** Gates of one engine. */
export class Gates {
  readonly #store: Store
  readonly #now: () => number
  /** What this process knows itself: until when a gate is closed. It counts even while the store is away. */
  readonly #closed = new Map<string, number>()
  /** One look or change at a time for each gate; waiters of one process would only get in each other's way. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#store = store
    this.#now = now
  }

  /**
   * When a request that passes the gates may go: now, or at a time that is given to nobody else. `before` is what it was
   * given before and has waited for.
   */
  async ask(passed: readonly KeyedGate[], before?: Ticket): Promise<Ticket> {
    if (passed.length === 0) return { at: this.#now(), gates: [] }
    try {
      return await this.#inTurn(passed, () => this.#ask(passed, before))
    } catch (error) {
      if (!isAuthFlowError(error) || !error.retryable) throw error
      // The store is away: what this process knows itself is better than an attempt that fails for it.
      const known = passed.map(({ id }) => this.#closedUntil(id, undefined))
      return { at: Math.max(this.#now(), ...known), gates: [] }
    }
  }

  /** Closes the gate for a time; gives the time at which the request that was refused may be made again. */
  close(gate: KeyedGate, closedMs: number, spacing = defaultSpacingMs): Promise<Ticket> {
    const until = Math.ceil(this.#now() + closedMs)
    this.#closed.set(gate.id, Math.max(until, this.#closed.get(gate.id) ?? 0))
    if (this.#closed.size > maxRemembered) this.#forgetOpen()
    return this.#inTurn([gate], async () => {
      const at = await this.#change(gate, (row) => {
        const closedUntil = Math.max(until, row?.closedUntil ?? 0)
        const first = Math.max(closedUntil, row?.next ?? 0)
        return { ...keptOf(row), at: first, next: first + gapOf(gate, spacing), closedUntil, spacing }
      })
      return { at, gates: [gate.id] }
    })
  }

  async #ask(passed: readonly KeyedGate[], before: Ticket | undefined): Promise<Ticket> {
    const now = this.#now()
    const ids = passed.map(({ id }) => id)
    const rows = new Map((await this.#store.getMany(gates, ids)).map((row) => [row.id, row]))
    // A place in a line counts once its time has come, and until the request is made.
    const held = before !== undefined && before.at <= now ? before.gates : []
    let last: { gate: KeyedGate; from: number } | undefined
    for (const gate of passed) {
      const row = rows.get(gate.id)
      const line = held.includes(gate.id) ? 0 : (row?.next ?? 0)
      const from = Math.max(this.#closedUntil(gate.id, row), line)
      if (from > now && from > (last?.from ?? 0)) last = { gate, from }
    }
    // It lines up where it has to wait for longest, and looks at the others when that is over.
    if (last !== undefined)
      return { at: await this.#reserve(last.gate, last.from), gates: [...held, last.gate.id] }
    // Who comes to its time late must not meet those who come to theirs: a pace is kept to when requests are sent.
    const isSlotFresh = before?.isSlot === true && held.length > 0 && now - before.at <= freshMs
    let at = now
    if (!isSlotFresh)
      for (const gate of passed)
        if (gate.pace !== undefined) at = Math.max(at, await this.#takeSlot(gate, now))
    return at === now ? { at, gates: held } : { at, gates: ids, isSlot: true }
  }

  /** Takes the first time of the line that is free from the given one on. */
  #reserve(gate: KeyedGate, from: number): Promise<number> {
    return this.#change(gate, (row) => {
      const at = Math.max(from, row?.next ?? 0)
      return { ...keptOf(row), at, next: at + gapOf(gate, row?.spacing) }
    })
  }

  /** Takes the first time at which a request may be sent. */
  #takeSlot(gate: KeyedGate, now: number): Promise<number> {
    return this.#change(gate, (row) => {
      const gap = gapOf(gate, row?.spacing)
      const at = Math.max(now, (row?.sentAt ?? 0) + gap)
      return { ...keptOf(row), at, next: Math.max(row?.next ?? 0, at + gap), sentAt: at }
    })
  }

  /** Stores what is planned, and that nobody is given the time again. */
  async #change(
    gate: KeyedGate,
    plan: (row: GateDocument | undefined) => Times & { at: number },
  ): Promise<number> {
    const { id, name } = gate
    for (let tries = 1; ; tries += 1) {
      const before = await this.#store.get(gates, id)
      const { at, ...row } = plan(before)
      const set = { ...row, expireAt: Math.ceil(row.next) + keptMs }
      const isDone = before
        ? await this.#store.update(gates, id, { version: before.version }, { set })
        : await this.#store.insert(gates, { id, name, ...set })
      // An expired row that is yet to be deleted can't be replaced: this process keeps to what it knows.
      if (isDone || tries >= maxTries) return at
    }
  }

  #closedUntil(id: string, row: GateDocument | undefined): number {
    const own = this.#closed.get(id) ?? 0
    if (own <= this.#now()) this.#closed.delete(id)
    return Math.max(own, row?.closedUntil ?? 0)
  }

  #forgetOpen(): void {
    for (const [id, until] of this.#closed) if (until <= this.#now()) this.#closed.delete(id)
  }

  async #inTurn<T>(passed: readonly KeyedGate[], work: () => Promise<T>): Promise<T> {
    const before = passed.map(({ id }) => this.#turns.get(id))
    const done = Promise.all(before).then(work)
    const settled = done.then(
      () => undefined,
      () => undefined,
    )
    for (const { id } of passed) this.#turns.set(id, settled)
    try {
      return await done
    } finally {
      for (const { id } of passed) if (this.#turns.get(id) === settled) this.#turns.delete(id)
    }
  }
}

type Times = Pick<GateDocument, 'closedUntil' | 'next' | 'spacing' | 'sentAt'>

const keptOf = (row: GateDocument | undefined): Omit<Times, 'next'> => ({
  closedUntil: row?.closedUntil ?? 0,
  spacing: row?.spacing ?? defaultSpacingMs,
  ...(row?.sentAt === undefined ? {} : { sentAt: row.sentAt }),
})

const gapOf = ({ pace }: KeyedGate, spacing = defaultSpacingMs): number =>
  pace === undefined ? spacing : Math.max(1, Math.ceil((pace.perMs / pace.requests) * margin))

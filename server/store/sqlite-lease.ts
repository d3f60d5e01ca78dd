// Leases on SQLite. Time is the machine's monotonic clock, which all processes of one boot share: wall time may jump.
// A row is never deleted, so that fences rise forever.

import { readFileSync } from 'node:fs'
import type { Lease } from './store.ts'
import type { SqlDatabase, SqlStatement } from './sqlite-driver.ts'

interface LeaseRow {
  readonly owner: string | null
  readonly fence: number
  readonly boot: string
  readonly since_ms: number
  readonly end_ms: number
}

/** Name and columns of the table that `migrate` creates. */
export const leaseTable = `CREATE TABLE IF NOT EXISTS authflow_leases (
  name TEXT PRIMARY KEY NOT NULL, owner TEXT, fence INTEGER NOT NULL,
  boot TEXT NOT NULL, since_ms REAL NOT NULL, end_ms REAL NOT NULL)`

/** Monotonic ms since some point that all processes of this boot agree on. */
const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

/**
 * Names this boot, so that leases from before a restart of the machine end with it. Where the system has no such
 * name it is empty; a lease that began in the future then gives a restart away.
 */
function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** The lease verbs; all synchronous, to be run inside a batch. */
export class SqliteLeases {
  readonly #boot = readBootId()
  readonly #marginMs: number
  readonly #select: SqlStatement
  readonly #upsert: SqlStatement
  readonly #renew: SqlStatement
  readonly #release: SqlStatement

  /** @param marginMs how long after its end a lease is left to its owner */
  constructor(db: SqlDatabase, marginMs: number) {
    this.#marginMs = marginMs
    this.#select = db.prepare(
      'SELECT owner, fence, boot, since_ms, end_ms FROM authflow_leases WHERE name = ?',
    )
    this.#upsert = db.prepare(
      `INSERT INTO authflow_leases (name, owner, fence, boot, since_ms, end_ms) VALUES (?, ?, 1, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, fence = fence + 1, boot = excluded.boot,
         since_ms = excluded.since_ms, end_ms = excluded.end_ms
       RETURNING fence`,
    )
    this.#renew = db.prepare(
      'UPDATE authflow_leases SET boot = ?, since_ms = ?, end_ms = ? WHERE name = ? AND owner = ? AND fence = ?',
    )
    this.#release = db.prepare(
      'UPDATE authflow_leases SET owner = NULL WHERE name = ? AND owner = ? AND fence = ?',
    )
  }

  acquire(name: string, owner: string, leaseMs: number): Lease | undefined {
    const now = monotonicMs()
    const row = this.#select.get(name) as LeaseRow | undefined
    if (row !== undefined && this.#isHeld(row, now) && row.owner !== owner) return undefined
    return { name, owner, fence: this.#write(name, owner, now, leaseMs) }
  }

  renew(lease: Lease, leaseMs: number): boolean {
    const now = monotonicMs()
    const done = this.#renew.run(this.#boot, now, now + leaseMs, lease.name, lease.owner, lease.fence)
    return Number(done.changes) === 1
  }

  release(lease: Lease): void {
    this.#release.run(lease.name, lease.owner, lease.fence)
  }

  takeFence(name: string): number {
    return this.#write(name, null, monotonicMs(), 0)
  }

  #isHeld(row: LeaseRow, now: number): boolean {
    if (row.owner === null || row.boot !== this.#boot || row.since_ms > now) return false
    return now < row.end_ms + this.#marginMs
  }

  #write(name: string, owner: string | null, now: number, leaseMs: number): number {
    const row = this.#upsert.get(name, owner, this.#boot, now, now + leaseMs) as { fence: number }
    return row.fence
  }
}

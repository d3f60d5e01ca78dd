// The store on one SQLite file: one machine, any number of processes. Reads run at once; writes go through the write
// queue. The file, tables, leases, migration and watching have their own files.

import { setTimeout as sleep } from 'node:timers/promises'
import { AuthFlowError } from '../../shared/errors.ts'
import { parseMatch, type Edit, type Term } from './change.ts'
import { checkBound, checkId, checkLimit, invalid, pageMax, typed } from './document.ts'
import { checkLeaseMs, defaultBusyTimeoutMs, defaultStealMarginMs } from './options.ts'
import type { CommonOptions } from './options.ts'
import { parseCountQuery, parsePageQuery } from './page.ts'
import { isBusy, loadSqliteDriver, toStoreError } from './sqlite-driver.ts'
import type { SqlDatabase } from './sqlite-driver.ts'
import { completeFile, configure, openError, prepareFile } from './sqlite-file.ts'
import { SqliteLeases } from './sqlite-lease.ts'
import { examineSqlite, migrateSqlite } from './sqlite-migrate.ts'
import { SqliteTable } from './sqlite-table.ts'
import { parseSteps, runMoves } from './sqlite-transact.ts'
import { SqliteWatch } from './sqlite-watch.ts'
import { WriteQueue, retryDelayMs } from './sqlite-writes.ts'
import type {
  Change,
  CountQuery,
  DocumentPage,
  DocumentSet,
  Lease,
  ListQuery,
  Match,
  NewDocument,
  Step,
  SetsFound,
  Store,
  StoredDocument,
} from './store.ts'
import { fitting } from './store.ts'

/** Options of the SQLite adapter. */
export interface SqliteOptions extends CommonOptions {
  /**
   * `full` (default): a write that resolved survives a power cut. `normal`: it survives a crash of the process; the
   * last ones may be lost in a power cut, never torn.
   */
  readonly durability?: 'full' | 'normal'
}

const sweepChunk = 100
const vacuumPages = 200

/**
 * Opens or creates the file. Parent directories are created; a new file is for its owner only.
 *
 * @throws {@link AuthFlowError} `store_read_only`, `store_busy`, `store_corrupt`, `store_unavailable`, `missing_peer`,
 *   `invalid_option` when the path is a directory
 */
export async function openSqlite(path: string, options: SqliteOptions): Promise<Store> {
  const { DatabaseSync } = await loadSqliteDriver()
  prepareFile(path)
  let db: SqlDatabase
  try {
    db = new DatabaseSync(path)
  } catch (error) {
    throw openError(error, path)
  }
  try {
    await retryWhileBusy(
      () => configure(db, options.durability ?? 'full'),
      options.busyTimeoutMs ?? defaultBusyTimeoutMs,
    )
    return new SqliteStore(db, options)
  } catch (error) {
    db.close()
    throw openError(error, path)
  }
}

async function retryWhileBusy<T>(work: () => T, timeoutMs: number): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
    }
    await sleep(retryDelayMs())
  }
}

class SqliteStore implements Store {
  readonly kind = 'sqlite'
  readonly capabilities = { cheapTransactions: true, distributed: false }
  readonly #db: SqlDatabase
  readonly #busyTimeoutMs: number
  readonly #tables = new Map<string, SqliteTable>()
  readonly #writes: WriteQueue
  readonly #leases: SqliteLeases
  readonly #watch: SqliteWatch
  #closing: Promise<void> | undefined

  constructor(db: SqlDatabase, options: SqliteOptions) {
    this.#db = db
    this.#busyTimeoutMs = options.busyTimeoutMs ?? defaultBusyTimeoutMs
    this.#watch = new SqliteWatch(db, options.log)
    const version = db.prepare('PRAGMA data_version')
    let seen = 0
    this.#writes = new WriteQueue(db, {
      busyTimeoutMs: this.#busyTimeoutMs,
      onCommit: this.#watch.notify,
      onFlush: options.onFlush,
      onBegin: () => {
        const { data_version: now } = version.get() as { data_version: number }
        if (now !== seen) this.#forget()
        seen = now
      },
      onUndone: () => this.#forget(),
    })
    this.#leases = new SqliteLeases(db, options.stealMarginMs ?? defaultStealMarginMs)
  }

  async migrate(sets: readonly DocumentSet<StoredDocument>[], environment: string): Promise<void> {
    await this.#write(() => () => migrateSqlite(this.#db, sets, environment))
    for (const set of sets) this.#tables.set(set.name, new SqliteTable(this.#db, set))
  }

  async examine(sets: readonly DocumentSet<StoredDocument>[], environment: string): Promise<SetsFound> {
    const found = await this.#read(() => examineSqlite(this.#db, sets, environment))
    for (const set of fitting(sets, found)) this.#tables.set(set.name, new SqliteTable(this.#db, set))
    return found
  }

  now(): number {
    return Date.now()
  }

  insert<T extends StoredDocument>(set: DocumentSet<T>, document: NewDocument<T>): Promise<boolean> {
    return this.#write(() => {
      const table = this.#table(set.name)
      const row = table.createNewRow(document)
      return () => table.insert(row)
    })
  }

  async get<T extends StoredDocument>(set: DocumentSet<T>, id: string): Promise<T | undefined> {
    const table = this.#table(set.name)
    checkId(id)
    return this.#read(() => typed<T>(table.find(id, this.now())))
  }

  async getMany<T extends StoredDocument>(set: DocumentSet<T>, ids: readonly string[]): Promise<T[]> {
    const table = this.#table(set.name)
    if (ids.length > pageMax) throw invalid(`at most ${pageMax} ids`)
    for (const id of ids) checkId(id)
    return this.#read(() => {
      const now = this.now()
      const found = ids.map((id) => typed<T>(table.find(id, now)))
      return found.filter((document) => document !== undefined)
    })
  }

  update<T extends StoredDocument>(
    set: DocumentSet<T>,
    id: string,
    match: Match<T>,
    change: Change<T>,
  ): Promise<boolean> {
    return this.#write(() => {
      const { table, terms, edit } = this.#prepareUpdate(set, id, match, change)
      return () => table.update(id, terms, edit, this.now())
    })
  }

  async updateAndGet<T extends StoredDocument>(
    set: DocumentSet<T>,
    id: string,
    match: Match<T>,
    change: Change<T>,
  ): Promise<T | undefined> {
    return this.#write(() => {
      const { table, terms, edit } = this.#prepareUpdate(set, id, match, change)
      return () => typed<T>(table.updateAndGet(id, terms, edit, this.now()))
    })
  }

  remove<T extends StoredDocument>(set: DocumentSet<T>, id: string, match?: Match<T>): Promise<boolean> {
    return this.#write(() => {
      const table = this.#table(set.name)
      checkId(id)
      const terms = parseMatch(match ?? {})
      return () => table.remove(id, terms, this.now())
    })
  }

  transact(steps: readonly Step[]): Promise<boolean> {
    return this.#write(() => {
      const moves = parseSteps(steps, (name) => this.#table(name))
      return () => runMoves(moves, this.now())
    })
  }

  async list<T extends StoredDocument>(set: DocumentSet<T>, query: ListQuery<T>): Promise<DocumentPage<T>> {
    const table = this.#table(set.name)
    const page = parsePageQuery(set, query)
    return this.#read(() => {
      const { items, cursor } = table.list(page, query.index, this.now())
      const documents = items.map((fields) => typed<T>(fields))
      return cursor === undefined ? { items: documents } : { items: documents, cursor }
    })
  }

  async range<T extends StoredDocument>(
    set: DocumentSet<T>,
    from: string,
    to: string,
    limit: number,
  ): Promise<T[]> {
    const table = this.#table(set.name)
    checkBound(from, 'from')
    checkBound(to, 'to')
    checkLimit(limit)
    return this.#read(() => table.range(from, to, limit, this.now()).map((fields) => typed<T>(fields)))
  }

  async count<T extends StoredDocument>(set: DocumentSet<T>, query: CountQuery): Promise<number> {
    const table = this.#table(set.name)
    const field = parseCountQuery(set, query)
    return this.#read(() => table.count(field, query))
  }

  async acquireLease(name: string, owner: string, leaseMs: number): Promise<Lease | undefined> {
    checkId(name, 'name of the lease')
    checkId(owner, 'owner of the lease')
    checkLeaseMs(leaseMs)
    return this.#write(() => () => this.#leases.acquire(name, owner, leaseMs))
  }

  async renewLease(lease: Lease, leaseMs: number): Promise<boolean> {
    checkLeaseMs(leaseMs)
    return this.#write(() => () => this.#leases.renew(lease, leaseMs))
  }

  async releaseLease(lease: Lease): Promise<void> {
    return this.#write(() => () => this.#leases.release(lease))
  }

  async takeFence(name: string): Promise<number> {
    checkId(name, 'name of the lease')
    return this.#write(() => () => this.#leases.takeFence(name))
  }

  onChange(listener: () => void): () => void {
    this.#assertOpen()
    return this.#watch.add(listener)
  }

  async sweepExpired(limit: number): Promise<number> {
    if (!Number.isInteger(limit) || limit < 1) throw invalid('limit must be a positive integer')
    const now = this.now()
    let deleted = 0
    for (const table of this.#tables.values()) {
      // In chunks, so that no batch holds the event loop or the lock for long.
      while (deleted < limit) {
        const chunk = Math.min(sweepChunk, limit - deleted)
        const count = await this.#write(() => () => table.sweep(now, chunk))
        deleted += count
        if (count < chunk) break
      }
    }
    if (deleted > 0) await this.#write(() => () => this.#db.exec(`PRAGMA incremental_vacuum(${vacuumPages})`))
    return deleted
  }

  async ping(): Promise<boolean> {
    this.#assertOpen()
    try {
      const at = String(this.now())
      await this.#write(() => () => this.#db.prepare(pingWrite).run(at))
      return await this.#read(() => this.#db.prepare(pingRead).get() !== undefined)
    } catch {
      return false
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#watch.stop()
    await this.#writes.drain()
    completeFile(this.#db)
    this.#db.close()
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new AuthFlowError('closed')
  }

  #table(name: string): SqliteTable {
    this.#assertOpen()
    const table = this.#tables.get(name)
    if (table === undefined) throw invalid(`set ${name} was not passed to migrate`)
    return table
  }

  #prepareUpdate<T extends StoredDocument>(
    set: DocumentSet<T>,
    ...[id, match, change]: [id: string, match: Match<T>, change: Change<T>]
  ): { table: SqliteTable; terms: readonly Term[]; edit: Edit } {
    const table = this.#table(set.name)
    checkId(id)
    return { table, terms: parseMatch(match), edit: table.parseEdit(change) }
  }

  /** Checks now, writes with the next batch; also a failed check is a rejection. */
  #write<T>(prepare: () => () => T): Promise<T> {
    try {
      this.#assertOpen()
      return this.#writes.add(prepare())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #forget(): void {
    for (const table of this.#tables.values()) table.forget()
  }

  #read<T>(work: () => T): T | Promise<T> {
    this.#assertOpen()
    try {
      return work()
    } catch (error) {
      if (!isBusy(error)) throw toStoreError(error)
    }
    return this.#readLater(work)
  }

  async #readLater<T>(work: () => T): Promise<T> {
    try {
      return await retryWhileBusy(() => {
        this.#assertOpen()
        return work()
      }, this.#busyTimeoutMs)
    } catch (error) {
      throw toStoreError(error)
    }
  }
}

const pingWrite = `INSERT INTO authflow_meta (key, value) VALUES ('ping', ?)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value`
const pingRead = `SELECT value FROM authflow_meta WHERE key = 'ping'`

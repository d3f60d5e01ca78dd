// The store on MongoDB: a replica set or a sharded cluster, any number of machines. Writes are gathered into bulks,
// acknowledged by the majority; reads come from the primary. Subjects have their own mongo-*.ts files.

import type { Db, MongoClient } from 'mongodb'
import { AuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import { matches, parseMatch } from './change.ts'
import { checkBound, checkDocument, checkId, checkLimit, invalid, pageMax, typed } from './document.ts'
import type { Term } from './change.ts'
import type { Outcome } from './mongo-bulk.ts'
import { createMongoClient, databaseOf } from './mongo-client.ts'
import { MongoClock } from './mongo-clock.ts'
import { fromRaw, toFilter, toPipeline, toRaw } from './mongo-document.ts'
import type { Raw } from './mongo-document.ts'
import { toStoreError } from './mongo-errors.ts'
import { MongoLeases } from './mongo-lease.ts'
import { MongoLimit, type WithinLimit } from './mongo-limit.ts'
import { collectionName, leaseName, metaName, examineMongo, migrateMongo } from './mongo-migrate.ts'
import { MongoPulse } from './mongo-pulse.ts'
import { MongoSet } from './mongo-set.ts'
import { parseSteps, runMoves } from './mongo-transact.ts'
import { MongoWatch } from './mongo-watch.ts'
import { Lane, MongoWrites } from './mongo-writes.ts'
import { checkLeaseMs, defaultBusyTimeoutMs, defaultStealMarginMs } from './options.ts'
import type { CommonOptions } from './options.ts'
import { parseCountQuery, parsePageQuery } from './page.ts'
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

/** Options of the MongoDB adapter. */
export type MongoOptions = CommonOptions

const writerLength = 12
/** What a server takes to answer, seldom more. */
const answerMs = 1000
/** About a change without large values, for the size of a bulk. */
const smallWrite = 1024

/**
 * Connects.
 *
 * @throws {@link AuthFlowError} `invalid_option` (a bad URL, or a server that is no replica set), `store_unavailable`
 */
export async function openMongo(url: string, options: MongoOptions): Promise<Store> {
  const client = createMongoClient(url, busyTimeoutOf(options))
  const pulse = new MongoPulse(client, options.log)
  const { within } = new MongoLimit(client, busyTimeoutOf(options) + answerMs)
  try {
    await client.connect()
    const db = client.db(databaseOf(url))
    const hello = await db.command({ hello: 1 })
    if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid') {
      throw new AuthFlowError('invalid_option', 'store: MongoDB must be a replica set or a sharded cluster.')
    }
    const clock = new MongoClock(db, within)
    await clock.sample()
    return new MongoStore(client, db, { ...options, clock, pulse, within })
  } catch (error) {
    await pulse.stop()
    await client.close()
    const known = toStoreError(error)
    throw known.code === 'internal'
      ? new AuthFlowError('store_unavailable', undefined, { cause: error })
      : known
  }
}

/** What is made with the client. */
interface Parts {
  readonly clock: MongoClock
  readonly pulse: MongoPulse
  readonly within: WithinLimit
}

const busyTimeoutOf = ({ busyTimeoutMs = defaultBusyTimeoutMs }: MongoOptions): number => busyTimeoutMs

class MongoStore implements Store {
  readonly kind = 'mongodb'
  readonly capabilities = { cheapTransactions: false, distributed: true }
  readonly now: () => number
  readonly #client: MongoClient
  readonly #db: Db
  readonly #clock: MongoClock
  readonly #busyTimeoutMs: number
  readonly #sets = new Map<string, MongoSet>()
  readonly #writes: MongoWrites
  readonly #leases: MongoLeases
  readonly #watch: MongoWatch
  readonly #pulse: MongoPulse
  readonly #within: WithinLimit
  readonly #writer = randomText(writerLength)
  readonly #singles = new Lane<() => Promise<void>>({ maxInFlight: 64, maxBatch: 1 }, runAll)
  readonly #transactions = new Lane<() => Promise<void>>({ maxInFlight: 16, maxBatch: 1 }, runAll)
  #closing: Promise<void> | undefined

  constructor(client: MongoClient, db: Db, options: MongoOptions & Parts) {
    this.#client = client
    this.#db = db
    this.#clock = options.clock
    this.now = options.clock.now
    this.#busyTimeoutMs = busyTimeoutOf(options)
    this.#pulse = options.pulse
    this.#within = options.within
    this.#watch = new MongoWatch(db.collection<Raw>(metaName), options)
    this.#writes = new MongoWrites(this.#busyTimeoutMs, this.#watch.wrote, options.onFlush)
    const marginMs = options.stealMarginMs ?? defaultStealMarginMs
    this.#leases = new MongoLeases(db.collection<Raw>(leaseName), marginMs)
  }

  async migrate(sets: readonly DocumentSet<StoredDocument>[], environment: string): Promise<void> {
    this.#assertOpen()
    // Building an index takes as long as it takes.
    await this.#writes.run(this.#singles, [], () => migrateMongo(this.#db, sets, environment))
    this.#know(sets)
  }

  async examine(sets: readonly DocumentSet<StoredDocument>[], environment: string): Promise<SetsFound> {
    const found = await this.#read(() => examineMongo(this.#db, sets, environment))
    this.#know(fitting(sets, found))
    return found
  }

  #know(sets: readonly DocumentSet<StoredDocument>[]): void {
    const options = { writer: this.#writer, now: this.now, within: this.#within }
    for (const set of sets) {
      const collection = this.#db.collection<Raw>(collectionName(set.name))
      this.#sets.set(set.name, new MongoSet(set, collection, options))
    }
  }

  async insert<T extends StoredDocument>(set: DocumentSet<T>, document: NewDocument<T>): Promise<boolean> {
    const target = this.#set(set.name)
    const { raw, size } = toRaw(target.checkFields(checkDocument(document)))
    return this.#bulk(target.inserts, { set: target, id: raw._id, size }, (outcome) => ({ raw, ...outcome }))
  }

  async get<T extends StoredDocument>(set: DocumentSet<T>, id: string): Promise<T | undefined> {
    const target = this.#set(set.name)
    checkId(id)
    return typed<T>(await this.#read(() => target.reads.get(id)))
  }

  async getMany<T extends StoredDocument>(set: DocumentSet<T>, ids: readonly string[]): Promise<T[]> {
    const target = this.#set(set.name)
    if (ids.length > pageMax) throw invalid(`at most ${pageMax} ids`)
    for (const id of ids) checkId(id)
    if (ids.length === 0) return []
    const found = await this.#read(() => target.findMany(ids, this.now()))
    return found.map((fields) => typed<T>(fields))
  }

  async update<T extends StoredDocument>(
    set: DocumentSet<T>,
    id: string,
    match: Match<T>,
    change: Change<T>,
  ): Promise<boolean> {
    const target = this.#set(set.name)
    checkId(id)
    const terms = parseMatch(match)
    const edit = target.parseEdit(change)
    if (contradicts(id, terms)) return false
    const size = smallWrite + edit.size
    return this.#bulk(target.updates, { set: target, id, size }, (outcome) => ({
      id,
      terms,
      edit,
      ...outcome,
    }))
  }

  async updateAndGet<T extends StoredDocument>(
    set: DocumentSet<T>,
    id: string,
    match: Match<T>,
    change: Change<T>,
  ): Promise<T | undefined> {
    const target = this.#set(set.name)
    checkId(id)
    const terms = parseMatch(match)
    const pipeline = toPipeline(target.parseEdit(change))
    if (contradicts(id, terms)) return undefined
    const raw = await this.#single([keyOf(target, id)], () =>
      target.collection.findOneAndUpdate(toFilter(id, terms, this.now()), pipeline, {
        returnDocument: 'after',
      }),
    )
    return raw === null ? undefined : typed<T>(fromRaw(raw))
  }

  async remove<T extends StoredDocument>(
    set: DocumentSet<T>,
    id: string,
    match?: Match<T>,
  ): Promise<boolean> {
    const target = this.#set(set.name)
    checkId(id)
    const terms = parseMatch(match ?? {})
    if (contradicts(id, terms)) return false
    const place = { set: target, id, size: smallWrite }
    return this.#bulk(target.removes, place, (outcome) => ({ id, terms, ...outcome }))
  }

  async transact(steps: readonly Step[]): Promise<boolean> {
    this.#assertOpen()
    const moves = parseSteps(steps, (name) => this.#set(name))
    if (moves.length === 0) return true
    const keys = [...new Set(moves.map((move) => keyOf(move.set, move.id)))]
    const options = { now: this.now, timeoutMs: this.#busyTimeoutMs, within: this.#within }
    return this.#writes.run(this.#transactions, keys, () => runMoves(this.#client, moves, options))
  }

  async list<T extends StoredDocument>(set: DocumentSet<T>, query: ListQuery<T>): Promise<DocumentPage<T>> {
    const target = this.#set(set.name)
    const page = parsePageQuery(set, query)
    const { items, cursor } = await this.#read(() => target.list(page, query.index, this.now()))
    const documents = items.map((fields) => typed<T>(fields))
    return cursor === undefined ? { items: documents } : { items: documents, cursor }
  }

  async range<T extends StoredDocument>(
    set: DocumentSet<T>,
    from: string,
    to: string,
    limit: number,
  ): Promise<T[]> {
    const target = this.#set(set.name)
    checkBound(from, 'from')
    checkBound(to, 'to')
    checkLimit(limit)
    const found = await this.#read(() => target.ranges.get({ from, to, limit }))
    return found.map((fields) => typed<T>(fields))
  }

  async count<T extends StoredDocument>(set: DocumentSet<T>, query: CountQuery): Promise<number> {
    const target = this.#set(set.name)
    const field = parseCountQuery(set, query)
    return this.#read(() => target.count(field, query))
  }

  async acquireLease(name: string, owner: string, leaseMs: number): Promise<Lease | undefined> {
    checkId(name, 'name of the lease')
    checkId(owner, 'owner of the lease')
    checkLeaseMs(leaseMs)
    return this.#single([], () => this.#leases.acquire(name, owner, leaseMs))
  }

  async renewLease(lease: Lease, leaseMs: number): Promise<boolean> {
    checkLeaseMs(leaseMs)
    return this.#single([], () => this.#leases.renew(lease, leaseMs))
  }

  async releaseLease(lease: Lease): Promise<void> {
    return this.#single([], () => this.#leases.release(lease))
  }

  async takeFence(name: string): Promise<number> {
    checkId(name, 'name of the lease')
    return this.#single([], () => this.#leases.takeFence(name))
  }

  onChange(listener: () => void): () => void {
    this.#assertOpen()
    return this.#watch.add(listener)
  }

  async sweepExpired(limit: number): Promise<number> {
    this.#assertOpen()
    if (!Number.isInteger(limit) || limit < 1) throw invalid('limit must be a positive integer')
    const now = this.now()
    let deleted = 0
    for (const set of this.#sets.values()) {
      while (deleted < limit) {
        const chunk = Math.min(pageMax, limit - deleted)
        const count = await this.#single([], () => set.sweep(now, chunk))
        deleted += count
        if (count < chunk) break
      }
    }
    return deleted
  }

  async ping(): Promise<boolean> {
    this.#assertOpen()
    const meta = this.#db.collection<Raw>(metaName)
    try {
      const at = this.now()
      await this.#within(() => meta.updateOne({ _id: 'ping' }, { $set: { at } }, { upsert: true }))
      return (await this.#within(() => meta.findOne({ _id: 'ping' }))) !== null
    } catch {
      return false
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#clock.stop()
    await this.#writes.drain()
    await this.#watch.close()
    await this.#pulse.stop()
    // Everything is written; what can't be said good-bye to is left.
    await this.#within(() => this.#client.close()).catch(() => undefined)
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new AuthFlowError('closed')
  }

  #set(name: string): MongoSet {
    this.#assertOpen()
    const set = this.#sets.get(name)
    if (set === undefined) throw invalid(`set ${name} was not passed to migrate`)
    return set
  }

  #bulk<T>(
    lane: Lane<T>,
    place: { readonly set: MongoSet; readonly id: string; readonly size: number },
    toItem: (outcome: Outcome) => T,
  ): Promise<boolean> {
    return new Promise<boolean>((resolve, reject) => {
      const keys = [keyOf(place.set, place.id)]
      this.#writes.add(lane, toItem({ settle: resolve, reject }), { keys, size: place.size, reject })
    })
  }

  #single<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    this.#assertOpen()
    return this.#writes.run(this.#singles, keys, () => this.#within(work))
  }

  async #read<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#within(work)
    } catch (error) {
      throw toStoreError(error)
    }
  }
}

const keyOf = (set: MongoSet, id: string): string => `${set.name} ${id}`

/** A match that names another id can't hold. */
function contradicts(id: string, terms: readonly Term[]): boolean {
  return !matches(
    { id },
    terms.filter((term) => term.field === 'id'),
  )
}

async function runAll(items: readonly (() => Promise<void>)[]): Promise<void> {
  await Promise.all(items.map((item) => item()))
}

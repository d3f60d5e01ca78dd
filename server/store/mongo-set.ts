// One set as one collection: its checks, its lanes and its reads.

import type { Collection, Document, Sort } from 'mongodb'
import { checkIndexedEdit, parseChange } from './change.ts'
import { checkIndexed, isExpired } from './document.ts'
import type { Edit } from './change.ts'
import type { Fields, Scalar } from './document.ts'
import { MongoBulk } from './mongo-bulk.ts'
import type { BulkOptions, InsertItem, RemoveItem, UpdateItem } from './mongo-bulk.ts'
import { fromRaw, notExpired, toName } from './mongo-document.ts'
import type { Raw } from './mongo-document.ts'
import { Lane } from './mongo-writes.ts'
import { encodeCursor } from './page.ts'
import type { PageQuery } from './page.ts'
import { MongoRanges, type IdRange } from './mongo-ranges.ts'
import { MongoReads } from './mongo-reads.ts'
import type { CountQuery, DocumentSet, StoredDocument } from './store.ts'

/** Enough to keep the connection busy while a reply travels; more would only make batches small. */
const bulksInFlight = { maxInFlight: 2 }

/** A collection with what the store knows about it. */
export class MongoSet {
  readonly name: string
  readonly collection: Collection<Raw>
  readonly inserts: Lane<InsertItem>
  readonly updates: Lane<UpdateItem>
  readonly removes: Lane<RemoveItem>
  readonly reads: MongoReads
  readonly ranges: MongoRanges
  readonly #indexed: ReadonlySet<string>

  constructor(set: DocumentSet<StoredDocument>, collection: Collection<Raw>, options: BulkOptions) {
    const { now } = options
    this.name = set.name
    this.collection = collection
    this.#indexed = new Set(Object.values(set.indexes).flat())
    const bulk = new MongoBulk(collection, options)
    this.inserts = new Lane(bulksInFlight, (items) => bulk.insert(items))
    this.updates = new Lane(bulksInFlight, (items) => bulk.update(items))
    this.removes = new Lane(bulksInFlight, (items) => bulk.remove(items))
    this.reads = new MongoReads(this, now)
    this.ranges = new MongoRanges((range) => this.range(range, now()))
  }

  /** The document, if its indexed fields can be. */
  checkFields<T extends Fields>(fields: T): T {
    for (const field of this.#indexed) checkIndexed(fields[field], field)
    return fields
  }

  /** A change, if it leaves the indexed fields so that they can be. */
  parseEdit(change: Parameters<typeof parseChange>[0]): Edit {
    return checkIndexedEdit(parseChange(change), this.#indexed)
  }

  async find(id: string, nowMs: number): Promise<Fields | undefined> {
    const raw = await this.collection.findOne({ _id: { $eq: id } })
    const fields = raw === null ? undefined : fromRaw(raw)
    return fields === undefined || isExpired(fields, nowMs) ? undefined : fields
  }

  async findMany(ids: readonly string[], nowMs: number): Promise<Fields[]> {
    const raws = await this.collection.find({ _id: { $in: [...ids] }, ...notExpired(nowMs) }).toArray()
    const byId = new Map(raws.map((raw) => [raw._id, raw]))
    return ids.flatMap((id) => {
      const raw = byId.get(id)
      return raw === undefined ? [] : [fromRaw(raw)]
    })
  }

  async range({ from, to, limit }: IdRange, nowMs: number): Promise<Fields[]> {
    const filter = { _id: { $gte: from, $lt: to }, ...notExpired(nowMs) }
    const raws = await this.collection.find(filter, { sort: { _id: 1 }, limit }).toArray()
    return raws.map(fromRaw)
  }

  /** Documents whose field has `from <= it < to`, counted up to the limit. */
  count(field: string, { from, to, limit }: CountQuery): Promise<number> {
    return this.collection.countDocuments({ [toName(field)]: { $gte: from, $lt: to } }, { limit })
  }

  async list(query: PageQuery, index: string, nowMs: number): Promise<{ items: Fields[]; cursor?: string }> {
    const direction = query.descending ? -1 : 1
    const sort: Sort = Object.fromEntries(query.order.map((field) => [toName(field), direction]))
    const items: Fields[] = []
    for (const conditions of segmentsOf(query)) {
      const filter = { $and: [...conditions, notExpired(nowMs)] }
      const raws = await this.collection.find(filter, { sort, limit: query.limit - items.length }).toArray()
      for (const raw of raws) items.push(fromRaw(raw))
      if (items.length === query.limit) break
    }
    const last = items.at(-1)
    if (last === undefined || items.length < query.limit) return { items }
    return { items, cursor: encodeCursor(this.name, index, query.order, last) }
  }

  /** Deletes expired documents, at most `limit`. */
  async sweep(nowMs: number, limit: number): Promise<number> {
    const expired = { expireAt: { $lte: new Date(nowMs) } }
    const found = await this.collection.find(expired, { projection: { _id: 1 }, limit }).toArray()
    if (found.length === 0) return 0
    const { deletedCount } = await this.collection.deleteMany({
      _id: { $in: found.map((raw) => raw._id) },
      ...expired,
    })
    return deletedCount
  }
}

/** A page as stretches of the index, in order: each is one seek, however deep the page lies. */
function segmentsOf(query: PageQuery): Document[][] {
  const base: Document[] = [{ [toName(query.field)]: { $eq: toOperand(query.field, query.equals) } }]
  const first = query.order[0] ?? 'id'
  if (query.from !== undefined) base.push({ [toName(first)]: { $gte: toOperand(first, query.from) } })
  if (query.to !== undefined) base.push({ [toName(first)]: { $lt: toOperand(first, query.to) } })
  const after = query.after
  if (after === undefined) return [base]
  const segments: Document[][] = []
  for (let level = query.order.length - 1; level >= 0; level--) {
    const same = query.order
      .slice(0, level)
      .map((field, at) => ({ [toName(field)]: { $eq: toOperand(field, after[at] ?? null) } }))
    const field = query.order[level] ?? 'id'
    for (const condition of beyond(field, after[level] ?? null, query.descending)) {
      segments.push([...base, ...same, { [toName(field)]: condition }])
    }
  }
  return segments
}

const kinds = ['number', 'string', 'bool', 'date']

/** What comes behind a value in one field: comparing keeps to the value's kind, so other kinds come on their own. */
function beyond(field: string, value: Scalar, descending: boolean): Document[] {
  if (value === null) return descending ? [] : [{ $ne: null }]
  const operand = toOperand(field, value)
  const same = descending ? { $lt: operand } : { $gt: operand }
  if (field === 'id') return [same]
  const kind = kinds.indexOf(operand instanceof Date ? 'date' : kindOf(value))
  // Null, also absent, is the first of all kinds.
  const others = descending
    ? { $not: { $type: kinds.slice(kind) } }
    : { $ne: null, $not: { $type: kinds.slice(0, kind + 1) } }
  return [same, others]
}

function kindOf(value: string | number | boolean): string {
  return typeof value === 'boolean' ? 'bool' : typeof value
}

function toOperand(field: string, value: Scalar): Scalar | Date {
  return field === 'expireAt' && typeof value === 'number' ? new Date(value) : value
}

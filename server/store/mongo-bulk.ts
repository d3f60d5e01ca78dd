// Writes in bulk with an outcome for each. A bulk's reply has only totals; when they are short, the documents tell by
// their tokens which writes applied. Within one bulk every id stands once, and a store has one write under way per id.

import { MongoBulkWriteError } from 'mongodb'
import type { AnyBulkWriteOperation, Collection } from 'mongodb'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Edit, Term } from './change.ts'
import { hasToken, toFilter, toMark, toMarkText, toPipeline } from './mongo-document.ts'
import type { Raw, WriteToken } from './mongo-document.ts'
import { fromCode, toStoreError } from './mongo-errors.ts'
import type { WithinLimit } from './mongo-limit.ts'

/** How a write ends. */
export interface Outcome {
  readonly settle: (applied: boolean) => void
  readonly reject: (error: AuthFlowError) => void
}

/** An insert that waits for its bulk. */
export interface InsertItem extends Outcome {
  readonly raw: Raw
}

/** An update that waits for its bulk. */
export interface UpdateItem extends Outcome {
  readonly id: string
  readonly terms: readonly Term[]
  readonly edit: Edit
}

/** A removal that waits for its bulk. */
export interface RemoveItem extends Outcome {
  readonly id: string
  readonly terms: readonly Term[]
}

/** Longer than this after a bulk its tokens may be gone (they last a minute). */
const readBackMaxMs = 45_000

const duplicateKey = 11000

/** What a store's bulks share. */
export interface BulkOptions {
  /** Unique to the store instance. */
  readonly writer: string
  readonly now: () => number
  readonly within: WithinLimit
}

/** Writes to one collection in bulk. */
export class MongoBulk {
  readonly #collection: Collection<Raw>
  readonly #writer: string
  readonly #now: () => number
  readonly #within: WithinLimit
  #batches = 0

  constructor(collection: Collection<Raw>, { writer, now, within }: BulkOptions) {
    this.#collection = collection
    this.#writer = writer
    this.#now = now
    this.#within = within
  }

  /** Inserts; an id that exists is false. */
  async insert(given: readonly InsertItem[]): Promise<void> {
    const items = inOrder(given, ({ raw }) => raw._id)
    const operations = items.map((item) => ({ insertOne: { document: item.raw } }))
    const reply = await this.#send(operations, items)
    if (reply === undefined) return
    for (const [at, item] of items.entries()) {
      const code = reply.errors.get(at)
      if (code === undefined) item.settle(true)
      else if (code === duplicateKey) item.settle(false)
      else item.reject(fromCode(code, reply.cause))
    }
  }

  /** Updates what matches. */
  async update(given: readonly UpdateItem[]): Promise<void> {
    const items = inOrder(given, ({ id }) => id)
    const token = this.#nextToken()
    const now = this.#now()
    const operations = items.map(({ id, terms, edit }) => ({
      updateOne: { filter: toFilter(id, terms, now), update: toPipeline(edit, token) },
    }))
    await this.#settleUpdates(items, operations, token, (item, applied) => item.settle(applied))
  }

  /** Removes what matches: marked first, since a reply that counts deletions can't be read back. */
  async remove(given: readonly RemoveItem[]): Promise<void> {
    const items = inOrder(given, ({ id }) => id)
    const [only] = items
    if (only !== undefined && items.length === 1) return this.#removeOne(only)
    const token = this.#nextToken()
    const now = this.#now()
    const operations = items.map(({ id, terms }) => ({
      updateOne: { filter: toFilter(id, terms, now), update: toMark(token) },
    }))
    const marked: RemoveItem[] = []
    await this.#settleUpdates(items, operations, token, (item, applied) => {
      if (applied) marked.push(item)
      else item.settle(false)
    })
    if (marked.length > 0) await this.#deleteMarked(marked, token)
  }

  async #removeOne(item: RemoveItem): Promise<void> {
    try {
      const filter = toFilter(item.id, item.terms, this.#now())
      const { deletedCount } = await this.#within(() => this.#collection.deleteOne(filter))
      item.settle(deletedCount === 1)
    } catch (error) {
      item.reject(toStoreError(error))
    }
  }

  /** Should this fail, the documents are hidden all the same, and retention deletes them. */
  async #deleteMarked(marked: readonly RemoveItem[], token: WriteToken): Promise<void> {
    try {
      const ids = marked.map((item) => item.id)
      const filter = { _id: { $in: ids }, _d: { $eq: toMarkText(token) } }
      await this.#within(() => this.#collection.deleteMany(filter))
      for (const item of marked) item.settle(true)
    } catch (error) {
      for (const item of marked) item.reject(toStoreError(error))
    }
  }

  async #settleUpdates<T extends Outcome & { readonly id: string }>(
    items: readonly T[],
    operations: AnyBulkWriteOperation<Raw>[],
    token: WriteToken,
    settle: (item: T, applied: boolean) => void,
  ): Promise<void> {
    const sentAt = performance.now()
    const reply = await this.#send(operations, items)
    if (reply === undefined) return
    const sound: T[] = []
    for (const [at, item] of items.entries()) {
      const code = reply.errors.get(at)
      if (code === undefined) sound.push(item)
      else item.reject(fromCode(code, reply.cause))
    }
    if (reply.matched === sound.length || reply.matched === 0) {
      for (const item of sound) settle(item, reply.matched > 0)
      return
    }
    try {
      const applied = await this.#readBack(sound, reply.matched, token)
      if (performance.now() - sentAt > readBackMaxMs) throw unknownOutcome()
      for (const item of sound) settle(item, applied.has(item.id))
    } catch (error) {
      for (const item of sound) item.reject(toStoreError(error))
    }
  }

  /** Ids of the writes of a short bulk that applied. */
  async #readBack(
    items: readonly { readonly id: string }[],
    matched: number,
    token: WriteToken,
  ): Promise<Set<string>> {
    const ids = items.map((item) => item.id)
    const found = await this.#within(() =>
      this.#collection.find({ _id: { $in: ids } }, { projection: { _w: 1, version: 1 } }).toArray(),
    )
    const applied = new Set(found.filter((raw) => hasToken(raw, token)).map((raw) => raw._id))
    if (applied.size === matched) return applied
    // Some that applied were removed since, perhaps inserted again. They are among those that are gone or new.
    const kept = new Set(
      found.filter((raw) => raw['version'] !== 1 && raw['_w'] !== undefined).map((raw) => raw._id),
    )
    const unsure = ids.filter((id) => !applied.has(id) && !kept.has(id))
    if (applied.size + unsure.length !== matched) throw unknownOutcome()
    return new Set([...applied, ...unsure])
  }

  async #send(
    operations: AnyBulkWriteOperation<Raw>[],
    items: readonly Outcome[],
  ): Promise<Reply | undefined> {
    try {
      const { matchedCount } = await this.#within(() =>
        this.#collection.bulkWrite(operations, { ordered: false }),
      )
      return { matched: matchedCount, errors: new Map(), cause: undefined }
    } catch (error) {
      const reply = toReply(error)
      if (reply === undefined) for (const item of items) item.reject(toStoreError(error))
      return reply
    }
  }

  #nextToken(): WriteToken {
    return { writer: this.#writer, batch: ++this.#batches }
  }
}

/**
 * By id, as every process sends them: where a server holds all that a bulk has changed until its end, two with the same
 * documents in different orders would wait for each other, until one is given up.
 */
function inOrder<T>(items: readonly T[], idOf: (item: T) => string): T[] {
  return items.toSorted((one, other) => (idOf(one) < idOf(other) ? -1 : 1))
}

interface Reply {
  readonly matched: number
  /** Codes by place in the bulk. */
  readonly errors: ReadonlyMap<number, number>
  readonly cause: unknown
}

/** The reply within an error: undefined when it tells nothing about single writes, or they may not last. */
function toReply(error: unknown): Reply | undefined {
  if (!(error instanceof MongoBulkWriteError)) return undefined
  const writeErrors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  if (writeErrors.length === 0 || error.result.getWriteConcernError() !== undefined) return undefined
  const errors = new Map(writeErrors.map((one) => [one.index, one.code]))
  return { matched: error.result.matchedCount, errors, cause: error }
}

function unknownOutcome(): AuthFlowError {
  return new AuthFlowError(
    'store_unavailable',
    'Other writers hid whether this write applied. Read, then repeat.',
  )
}

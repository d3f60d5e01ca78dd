// Leases on MongoDB, timed by the database's clock: each verb is one update by id whose pipeline reads $$NOW, so no
// clock of a client decides. A row is never deleted, so that fences rise forever.

import type { Collection, Document } from 'mongodb'
import { randomText } from '../../shared/ids.ts'
import type { Raw } from './mongo-document.ts'
import { isDuplicateKey } from './mongo-errors.ts'
import type { Lease } from './store.ts'

const nextFence = { $add: ['$fence', 1] }
const grantLength = 16

/** The lease verbs. */
export class MongoLeases {
  readonly #collection: Collection<Raw>
  readonly #marginMs: number

  /** @param marginMs how long after its end a lease is left to its owner */
  constructor(collection: Collection<Raw>, marginMs: number) {
    this.#collection = collection
    this.#marginMs = marginMs
  }

  async acquire(name: string, owner: string, leaseMs: number): Promise<Lease | undefined> {
    // Tells this claim from an earlier one of the same owner when the row is read back.
    const grant = randomText(grantLength)
    const mine = { $literal: owner }
    const over = { $lte: [{ $add: [{ $ifNull: ['$end', new Date(0)] }, this.#marginMs] }, '$$NOW'] }
    const free = { $or: [{ $eq: [{ $ifNull: ['$owner', null] }, null] }, { $eq: ['$owner', mine] }, over] }
    const row = await this.#change(name, [
      { $set: { free } },
      {
        $set: {
          owner: { $cond: ['$free', mine, '$owner'] },
          fence: { $cond: ['$free', nextFence, '$fence'] },
          grant: { $cond: ['$free', { $literal: grant }, '$grant'] },
          end: { $cond: ['$free', { $add: ['$$NOW', leaseMs] }, '$end'] },
        },
      },
      { $unset: ['free'] },
    ])
    return row['grant'] === grant ? { name, owner, fence: Number(row['fence']) } : undefined
  }

  async renew(lease: Lease, leaseMs: number): Promise<boolean> {
    const { matchedCount } = await this.#collection.updateOne(this.#filter(lease), [
      { $set: { end: { $add: ['$$NOW', leaseMs] } } },
    ])
    return matchedCount === 1
  }

  async release(lease: Lease): Promise<void> {
    await this.#collection.updateOne(this.#filter(lease), { $set: { owner: null } })
  }

  async takeFence(name: string): Promise<number> {
    const row = await this.#change(name, [{ $set: { owner: null, fence: nextFence } }])
    return Number(row['fence'])
  }

  #filter(lease: Lease): Document {
    return { _id: { $eq: lease.name }, owner: { $eq: lease.owner }, fence: { $eq: lease.fence } }
  }

  /** Not one upsert: two of them at once may both insert, and then one fails. */
  async #change(name: string, pipeline: Document[]): Promise<Raw> {
    const filter = { _id: { $eq: name } }
    const row = await this.#collection.findOneAndUpdate(filter, pipeline, { returnDocument: 'after' })
    if (row !== null) return row
    try {
      await this.#collection.insertOne({ _id: name, owner: null, fence: 0 })
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
    }
    return this.#change(name, pipeline)
  }
}

// What a MongoDB database holds besides its sets, and how collections and indexes come into being. Every step may be
// repeated, and run by several processes at once.

import { MongoServerError } from 'mongodb'
import type { Collection, Db } from 'mongodb'
import { AuthFlowError } from '../../shared/errors.ts'
import { checkSet } from './document.ts'
import { toName } from './mongo-document.ts'
import type { Raw } from './mongo-document.ts'
import { isDuplicateKey } from './mongo-errors.ts'
import type { DocumentSet, SetsFound, StoredDocument } from './store.ts'

/** Raised when an older authflow could no longer read the database. */
const schemaVersion = 1

const namespaceExists = 48
const indexNotFound = 27
const expiryIndex = 'x_expireAt'
const indexPrefix = 'i_'

/** Collection of facts about the database. */
export const metaName = 'authflow_meta'
/** Collection of leases. */
export const leaseName = 'authflow_leases'
/** Collection of a set. */
export const collectionName = (set: string): string => `set_${set}`

/**
 * Brings the database to what the sets need.
 *
 * @throws {@link AuthFlowError} `schema_newer`, `environment_mismatch`, `invalid_input` (a set's definition)
 */
export async function migrateMongo(
  db: Db,
  sets: readonly DocumentSet<StoredDocument>[],
  environment: string,
): Promise<void> {
  for (const set of sets) checkSet(set)
  await createCollection(db, metaName)
  const meta = db.collection<Raw>(metaName)
  const schema = await keepFirst(meta, 'schema', schemaVersion)
  if (Number(schema) > schemaVersion) throw new AuthFlowError('schema_newer')
  const known = await keepFirst(meta, 'environment', environment)
  if (known !== environment) throw new AuthFlowError('environment_mismatch')
  await createCollection(db, leaseName)
  for (const set of sets) await migrateSet(db, set)
}

/** What {@link migrateMongo} would find. Throws the same, and writes nothing. */
export async function examineMongo(
  db: Db,
  sets: readonly DocumentSet<StoredDocument>[],
  environment: string,
): Promise<SetsFound> {
  for (const set of sets) checkSet(set)
  const meta = db.collection<Raw>(metaName)
  const factOf = async (id: string): Promise<unknown> => (await meta.findOne({ _id: { $eq: id } }))?.['value']
  const [schema, known] = await Promise.all([factOf('schema'), factOf('environment')])
  if (schema !== undefined && Number(schema) > schemaVersion) throw new AuthFlowError('schema_newer')
  if (known !== undefined && known !== environment) throw new AuthFlowError('environment_mismatch')
  const there = new Set<string>()
  for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) there.add(name)
  const [missing, changed]: [string[], string[]] = [[], []]
  for (const set of sets) {
    const name = collectionName(set.name)
    if (!there.has(name)) missing.push(set.name)
    else if (!(await hasIndexes(db.collection<Raw>(name), set))) changed.push(set.name)
  }
  return { missing, changed }
}

async function hasIndexes(collection: Collection<Raw>, set: DocumentSet<StoredDocument>): Promise<boolean> {
  const wanted = wantedIndexes(set)
  const own = (await collection.listIndexes().toArray()).filter(({ name }) =>
    String(name).startsWith(indexPrefix),
  )
  return (
    own.length === wanted.size &&
    own.every(({ name, key }) => JSON.stringify(wanted.get(String(name))) === JSON.stringify(key))
  )
}

const wantedIndexes = ({ indexes }: DocumentSet<StoredDocument>): Map<string, Record<string, 1>> =>
  new Map(Object.entries(indexes).map(([index, fields]) => [indexPrefix + index, toKey(fields)]))

/** Stores a fact unless there is one; gives back what is there. */
async function keepFirst(meta: Collection<Raw>, id: string, value: unknown): Promise<unknown> {
  try {
    await meta.insertOne({ _id: id, value })
    return value
  } catch (error) {
    if (!isDuplicateKey(error)) throw error
  }
  const row = await meta.findOne({ _id: { $eq: id } })
  return row?.['value']
}

async function migrateSet(db: Db, set: DocumentSet<StoredDocument>): Promise<void> {
  const name = collectionName(set.name)
  await createCollection(db, name)
  const collection = db.collection<Raw>(name)
  const wanted = wantedIndexes(set)
  for (const index of await collection.listIndexes().toArray()) {
    const indexName = String(index['name'])
    if (!indexName.startsWith(indexPrefix)) continue
    const key = wanted.get(indexName)
    if (key !== undefined && JSON.stringify(key) === JSON.stringify(index['key'])) wanted.delete(indexName)
    else await dropIndex(collection, indexName)
  }
  await collection.createIndex({ expireAt: 1 }, { name: expiryIndex, expireAfterSeconds: 0 })
  for (const [indexName, key] of wanted) await collection.createIndex(key, { name: indexName })
}

function toKey(fields: readonly string[]): Record<string, 1> {
  const names = [...fields.filter((field) => field !== 'id').map(toName), '_id']
  return Object.fromEntries(names.map((name) => [name, 1 as const]))
}

async function createCollection(db: Db, name: string): Promise<void> {
  try {
    await db.createCollection(name)
  } catch (error) {
    if (!hasCode(error, namespaceExists)) throw error
  }
}

async function dropIndex(collection: Collection<Raw>, name: string): Promise<void> {
  try {
    await collection.dropIndex(name)
  } catch (error) {
    if (!hasCode(error, indexNotFound)) throw error
  }
}

const hasCode = (error: unknown, code: number): boolean =>
  error instanceof MongoServerError && error.code === code

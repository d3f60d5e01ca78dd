// What an SQLite file holds besides its sets, and how sets come into being. All in the one transaction it is called
// in, so two processes that start together take turns. Index definitions are kept: a changed one is built anew.

import { AuthFlowError } from '../../shared/errors.ts'
import type { DocumentSet, SetsFound, StoredDocument } from './store.ts'
import { checkSet, isPlainText } from './document.ts'
import type { Fields, Scalar } from './document.ts'
import type { SqlDatabase } from './sqlite-driver.ts'
import { leaseTable } from './sqlite-lease.ts'
import { columnFields, columnName, tableName, toSql } from './sqlite-table.ts'

/** Raised when an older authflow could no longer read the file. */
const schemaVersion = 1

type Indexes = DocumentSet<StoredDocument>['indexes']

/** Creates the tables that are there before any set. */
export function createBase(db: SqlDatabase): void {
  db.exec('CREATE TABLE IF NOT EXISTS authflow_meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)')
  db.exec(leaseTable)
}

/**
 * Brings the file to what the sets need.
 *
 * @throws {@link AuthFlowError} `schema_newer`, `environment_mismatch`, `invalid_input` (a set's definition)
 */
export function migrateSqlite(
  db: SqlDatabase,
  sets: readonly DocumentSet<StoredDocument>[],
  environment: string,
): void {
  requireOwn(db, sets, environment)
  writeMeta(db, 'schema', String(schemaVersion))
  writeMeta(db, 'environment', environment)
  for (const set of sets) migrateSet(db, set)
}

/** What {@link migrateSqlite} would find. Throws the same, and writes nothing. */
export function examineSqlite(
  db: SqlDatabase,
  sets: readonly DocumentSet<StoredDocument>[],
  environment: string,
): SetsFound {
  requireOwn(db, sets, environment)
  const known = new Map(sets.map((set) => [set, readMeta(db, `set:${set.name}`)]))
  const names = (fits: (set: DocumentSet<StoredDocument>, definition?: string) => boolean): string[] =>
    sets.filter((set) => fits(set, known.get(set))).map(({ name }) => name)
  return {
    missing: names((_, definition) => definition === undefined),
    changed: names(
      ({ indexes }, definition) => definition !== undefined && definition !== JSON.stringify(indexes),
    ),
  }
}

function requireOwn(
  db: SqlDatabase,
  sets: readonly DocumentSet<StoredDocument>[],
  environment: string,
): void {
  for (const set of sets) checkSet(set)
  const schema = readMeta(db, 'schema')
  if (schema !== undefined && Number(schema) > schemaVersion) throw new AuthFlowError('schema_newer')
  const known = readMeta(db, 'environment')
  if (known !== undefined && known !== environment) throw new AuthFlowError('environment_mismatch')
}

function migrateSet(db: SqlDatabase, set: DocumentSet<StoredDocument>): void {
  const table = tableName(set.name)
  const definition = JSON.stringify(set.indexes)
  const before = readMeta(db, `set:${set.name}`)
  if (before === definition) return
  const fields = columnFields(set.indexes)
  if (before === undefined) {
    const columns = fields.map((field) => `, ${columnName(field)}`).join('')
    db.exec(`CREATE TABLE ${table} (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL, expire_at${columns})`)
    db.exec(`CREATE INDEX "x_${set.name}" ON ${table} (expire_at) WHERE expire_at IS NOT NULL`)
  } else rebuildColumns(db, set, JSON.parse(before))
  for (const [name, indexed] of Object.entries(set.indexes)) createIndex(db, set.name, name, indexed)
  writeMeta(db, `set:${set.name}`, definition)
}

/** The rows get the columns of the new definition; its indexes take the place of the old ones. */
function rebuildColumns(db: SqlDatabase, set: DocumentSet<StoredDocument>, before: Indexes): void {
  const table = tableName(set.name)
  for (const name of Object.keys(before)) db.exec(`DROP INDEX IF EXISTS ${indexName(set.name, name)}`)
  const fields = columnFields(set.indexes)
  const columns = db.prepare('SELECT name FROM pragma_table_info(?)').all(`set_${set.name}`) as {
    name: string
  }[]
  const existing = new Set(columns.map((column) => `"${column.name}"`))
  for (const field of fields) {
    if (!existing.has(columnName(field))) db.exec(`ALTER TABLE ${table} ADD COLUMN ${columnName(field)}`)
  }
  if (fields.length > 0) fillColumns(db, table, fields)
}

const fillChunk = 500

/** A column that an older definition left behind may be stale, so all of them are filled, from the documents. */
function fillColumns(db: SqlDatabase, table: string, fields: readonly string[]): void {
  const next = db.prepare(`SELECT id, body FROM ${table} WHERE id > ? ORDER BY id LIMIT ${fillChunk}`)
  const assignments = fields.map((field) => `${columnName(field)} = ?`).join(', ')
  const fill = db.prepare(`UPDATE ${table} SET ${assignments} WHERE id = ?`)
  let last = ''
  for (;;) {
    const rows = next.all(last) as { id: string; body: string }[]
    for (const { id, body } of rows) {
      const document: Fields = JSON.parse(body)
      fill.run(...fields.map((field) => toSql(toIndexed(document[field]))), id)
      last = id
    }
    if (rows.length < fillChunk) return
  }
}

/** What was stored before the field had an index may be no scalar: the index then leaves it out. */
function toIndexed(value: unknown): Scalar {
  if (typeof value === 'number' || typeof value === 'boolean') return value
  return typeof value === 'string' && isPlainText(value) ? value : null
}

/** Leaves out documents whose first field is null: nobody asks for them, and every entry costs each write. */
function createIndex(
  db: SqlDatabase,
  set: string,
  name: string,
  fields: readonly [string, ...string[]],
): void {
  const columns = [...fields.filter((field) => field !== 'id'), 'id'].map(columnName).join(', ')
  const first = columnName(fields[0])
  db.exec(`CREATE INDEX ${indexName(set, name)} ON ${tableName(set)} (${columns}) WHERE ${first} IS NOT NULL`)
}

const indexName = (set: string, name: string): string => `"i_${set}_${name}"`

function readMeta(db: SqlDatabase, key: string): string | undefined {
  const row = db.prepare('SELECT value FROM authflow_meta WHERE key = ?').get(key) as
    { value: string } | undefined
  return row?.value
}

function writeMeta(db: SqlDatabase, key: string, value: string): void {
  db.prepare(
    'INSERT INTO authflow_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = ?',
  ).run(key, value, value)
}

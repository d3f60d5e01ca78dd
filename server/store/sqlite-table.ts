// One set as one SQLite table: the whole document as JSON text, and its indexed fields once more as columns, which are
// only ever read by indexes. All of it synchronous; batching and locking are the caller's.

import type { CountQuery, DocumentSet, StoredDocument } from './store.ts'
import { applyEdit, checkIndexedEdit, matches, parseChange } from './change.ts'
import { checkIndexed, checkNewText, isExpired, toBody } from './document.ts'
import type { Edit, Term } from './change.ts'
import type { Fields, Scalar } from './document.ts'
import { encodeCursor } from './page.ts'
import type { PageQuery } from './page.ts'
import type { SqlDatabase, SqlStatement, SqlValue } from './sqlite-driver.ts'

/** A document on its way in: text and column values are taken when the caller calls. */
export interface NewRow {
  readonly id: string
  readonly body: string
  /** Of the indexed fields. */
  readonly values: readonly SqlValue[]
}

/** How a document is written over its row when certain fields were touched. */
interface Rewrite {
  /** Fields whose columns are written. */
  readonly columns: readonly string[]
  readonly statement: SqlStatement
}

/** Rows come as the SELECTs of this file name their columns. */
interface BodyRow {
  readonly body: string
}

// SQLite orders null, numbers, text, blobs: booleans as blobs stay apart from numbers, and last, as in MongoDB.
const falseBlob = new Uint8Array([0])
const trueBlob = new Uint8Array([1])
const firstBlob = new Uint8Array([])

/** A scalar as SQLite keeps it in a column. */
export function toSql(value: Scalar): SqlValue {
  return typeof value === 'boolean' ? (value ? trueBlob : falseBlob) : value
}

/** Name of a set's table. */
export const tableName = (set: string): string => `"set_${set}"`

/** Column of an indexed field. */
export function columnName(field: string): string {
  if (field === 'id') return 'id'
  return field === 'expireAt' ? 'expire_at' : `"c_${field}"`
}

/** Fields of a set that have a column of their own, `id` and `expireAt` left out. */
export function columnFields(indexes: DocumentSet<StoredDocument>['indexes']): string[] {
  const fields = new Set(Object.values(indexes).flat())
  fields.delete('id')
  fields.delete('expireAt')
  return [...fields].sort()
}

/** Documents in the middle of their life that are kept in memory, per table: how many, and the length of all texts. */
const keptDocuments = 512
const keptLength = 8 * 1024 * 1024
/** Kept statements of rewrites, per table. */
const keptRewrites = 256

/** Statements and verbs of one table. */
export class SqliteTable {
  readonly name: string
  readonly #db: SqlDatabase
  readonly #table: string
  /** Fields with a column: the indexed ones, `expireAt` the last. */
  readonly #fields: readonly string[]
  readonly #indexed: ReadonlySet<string>
  readonly #statements = new Map<string, SqlStatement>()
  /** By the touched fields. */
  readonly #rewrites = new Map<string, Rewrite>()
  readonly #select: SqlStatement
  readonly #selectAny: SqlStatement
  readonly #insert: SqlStatement
  readonly #delete: SqlStatement
  readonly #deleteLive: SqlStatement
  /**
   * Documents as this connection last wrote them, text or parsed, the oldest first: who writes one soon writes it
   * again. One that is taken leaves, so that nobody sees what a failed change made of it.
   */
  readonly #kept = new Map<string, { readonly document: string | Fields; readonly length: number }>()
  #keptLength = 0

  constructor(db: SqlDatabase, set: DocumentSet<StoredDocument>) {
    this.name = set.name
    this.#db = db
    this.#table = tableName(set.name)
    this.#fields = [...columnFields(set.indexes), 'expireAt']
    this.#indexed = new Set(this.#fields)
    const columns = ['id', 'body', ...this.#fields.map(columnName)]
    this.#select = db.prepare(`SELECT body FROM ${this.#table} WHERE id = ?`)
    this.#selectAny = db.prepare(
      `SELECT 1 FROM ${this.#table} WHERE id >= ? AND id < ? AND ${notExpired} LIMIT 1`,
    )
    this.#insert = db.prepare(
      `INSERT INTO ${this.#table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
       ON CONFLICT (id) DO NOTHING`,
    )
    this.#delete = db.prepare(`DELETE FROM ${this.#table} WHERE id = ?`)
    this.#deleteLive = db.prepare(`DELETE FROM ${this.#table} WHERE id = ? AND ${notExpired}`)
  }

  /** Checks and serialises a document that is new. */
  createNewRow(document: object): NewRow {
    const { id, body } = checkNewText(document)
    const values = this.#columnValues(document as Fields)
    if (this.#indexed.has('version')) values[this.#fields.indexOf('version')] = 1
    return { id, body, values }
  }

  /** Serialises a document that was checked. */
  createRow(document: Fields & { readonly id: string }): NewRow {
    return { id: document.id, body: toBody(document), values: this.#columnValues(document) }
  }

  /** A change, if it leaves the indexed fields so that they can be. */
  parseEdit(change: Parameters<typeof parseChange>[0]): Edit {
    return checkIndexedEdit(parseChange(change), this.#indexed)
  }

  /** False when the id exists. */
  insert(row: NewRow): boolean {
    const done = Number(this.#insert.run(row.id, row.body, ...row.values).changes) === 1
    if (done && row.values.at(-1) === null) this.#keep(row.id, row.body, row.body.length)
    return done
  }

  /** The document, also an expired one. */
  read(id: string): Fields | undefined {
    const row = this.#select.get(id) as BodyRow | undefined
    return row === undefined ? undefined : parseText(row.body)
  }

  /** Like {@link read}, inside a batch and to be changed. */
  take(id: string): Fields | undefined {
    const document = this.#drop(id)
    if (document === undefined) return this.read(id)
    return typeof document === 'string' ? parseText(document) : document
  }

  /** To be called when what this connection wrote may have been undone or overwritten. */
  forget(): void {
    this.#kept.clear()
    this.#keptLength = 0
  }

  /** The document if it is there for callers. */
  find(id: string, nowMs: number): Fields | undefined {
    const fields = this.read(id)
    return fields === undefined || isExpired(fields, nowMs) ? undefined : fields
  }

  /** The changed document, which is the caller's; undefined when it is not there or does not match. */
  updateAndGet(id: string, terms: readonly Term[], edit: Edit, nowMs: number): Fields | undefined {
    const fields = this.#change(id, terms, edit, nowMs)
    if (fields === undefined) return undefined
    const body = this.planRewrite(id, fields, edit.fields)()
    // The next change parses the text, so that nobody waits for that who waits for the document.
    if (this.#kept.has(id)) this.#keep(id, body, body.length)
    for (const name of edit.unset) delete fields[name]
    return fields
  }

  /** False when it is not there or does not match. */
  update(id: string, terms: readonly Term[], edit: Edit, nowMs: number): boolean {
    const fields = this.#change(id, terms, edit, nowMs)
    if (fields === undefined) return false
    this.planRewrite(id, fields, edit.fields)()
    return true
  }

  #change(id: string, terms: readonly Term[], edit: Edit, nowMs: number): Fields | undefined {
    const fields = this.take(id)
    if (fields === undefined || isExpired(fields, nowMs) || !matches(fields, terms)) return undefined
    applyEdit(fields, edit)
    return fields
  }

  /** False when it is not there or does not match. */
  remove(id: string, terms: readonly Term[], nowMs: number): boolean {
    const fields = terms.length === 0 ? undefined : this.take(id)
    this.#drop(id)
    if (terms.length === 0) return Number(this.#deleteLive.run(id, nowMs).changes) === 1
    if (fields === undefined || isExpired(fields, nowMs) || !matches(fields, terms)) return false
    this.delete(id)
    return true
  }

  /** Deletes the row. */
  delete(id: string): void {
    this.#drop(id)
    this.#delete.run(id)
  }

  /**
   * Checks a document that goes over its row; the function given back writes it and gives its text. Only columns of
   * touched fields are written: each costs its indexes.
   */
  planRewrite(id: string, fields: Fields, touched: readonly string[]): () => string {
    const body = toBody(fields)
    const { columns, statement } = this.#rewrite(touched)
    const values = columns.map((field) => toSql(checkIndexed(fields[field], field)))
    return () => {
      statement.run(body, ...values, id)
      // One that will be deleted is over.
      if (typeof fields['expireAt'] !== 'number') this.#keep(id, fields, body.length)
      return body
    }
  }

  #rewrite(touched: readonly string[]): Rewrite {
    const key = touched.join()
    const known = this.#rewrites.get(key)
    if (known !== undefined) return known
    const columns = this.#fields.filter((field) => field === 'version' || touched.includes(field))
    const set = ['body', ...columns.map(columnName)].map((column) => `${column} = ?`).join(', ')
    const rewrite = { columns, statement: this.#prepare(`UPDATE ${this.#table} SET ${set} WHERE id = ?`) }
    if (this.#rewrites.size < keptRewrites) this.#rewrites.set(key, rewrite)
    return rewrite
  }

  #keep(id: string, document: string | Fields, length: number): void {
    this.#drop(id)
    this.#kept.set(id, { document, length })
    this.#keptLength += length
    while (this.#kept.size > keptDocuments || this.#keptLength > keptLength) {
      const { value: oldest } = this.#kept.keys().next()
      if (oldest === undefined) return
      this.#drop(oldest)
    }
  }

  #drop(id: string): string | Fields | undefined {
    const kept = this.#kept.get(id)
    if (kept === undefined) return undefined
    this.#kept.delete(id)
    this.#keptLength -= kept.length
    return kept.document
  }

  /** All fields with a column. */
  get fields(): readonly string[] {
    return this.#fields
  }

  /** Documents with `from <= id < to`. */
  range(from: string, to: string, limit: number, nowMs: number): Fields[] {
    const sql = `SELECT body FROM ${this.#table} WHERE id >= ? AND id < ? AND ${notExpired} ORDER BY id LIMIT ?`
    const rows = this.#prepare(sql).all(from, to, nowMs, limit) as BodyRow[]
    return rows.map((row) => parseText(row.body))
  }

  /** True when no document has `from <= id < to`. */
  isVacant(from: string, to: string, nowMs: number): boolean {
    return this.#selectAny.get(from, to, nowMs) === undefined
  }

  /** Documents whose field has `from <= it < to`, counted up to the limit. */
  count(field: string, { from, to, limit }: CountQuery): number {
    const column = columnName(field)
    const sql = `SELECT count(*) AS found FROM
      (SELECT 1 FROM ${this.#table} WHERE ${column} >= ? AND ${column} < ? LIMIT ?)`
    const { found } = this.#prepare(sql).get(from, to, limit) as { found: number }
    return found
  }

  /** A page in index order. */
  list(query: PageQuery, index: string, nowMs: number): { items: Fields[]; cursor?: string } {
    const items: Fields[] = []
    for (const segment of segmentsOf(query)) {
      const sql = `SELECT body FROM ${this.#table} WHERE ${segment.where} AND ${notExpired}
        ORDER BY ${orderBy(query)} LIMIT ?`
      const rows = this.#prepare(sql).all(...segment.values, nowMs, query.limit - items.length) as BodyRow[]
      for (const row of rows) items.push(parseText(row.body))
      if (items.length === query.limit) break
    }
    const last = items.at(-1)
    if (last === undefined || items.length < query.limit) return { items }
    return { items, cursor: encodeCursor(this.name, index, query.order, last) }
  }

  /** Deletes expired rows, at most `limit`. */
  sweep(nowMs: number, limit: number): number {
    const sql = `DELETE FROM ${this.#table} WHERE id IN
      (SELECT id FROM ${this.#table} WHERE expire_at <= ? ORDER BY expire_at LIMIT ?)`
    return Number(this.#prepare(sql).run(nowMs, limit).changes)
  }

  #columnValues(fields: Fields): SqlValue[] {
    return this.#fields.map((field) => toSql(checkIndexed(fields[field], field)))
  }

  #prepare(sql: string): SqlStatement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

const notExpired = '(expire_at IS NULL OR expire_at > ?)'

/** A document from its text. */
function parseText(text: string): Fields {
  return JSON.parse(text)
}

interface Segment {
  readonly where: string
  readonly values: SqlValue[]
}

/** A page as stretches of the index, in order: each is one seek, however deep the page lies. */
function segmentsOf(query: PageQuery): Segment[] {
  const base = equalTo({ where: 'TRUE', values: [] }, columnName(query.field), query.equals)
  const bounded = addBounds(base, query)
  const after = query.after
  if (after === undefined) return [bounded]
  // Behind (a, b, id): the same a and b and a later id, then the same a and a later b, then a later a.
  const segments: Segment[] = []
  for (let level = query.order.length - 1; level >= 0; level--) {
    let segment = bounded
    for (let at = 0; at < level; at++) segment = equalTo(segment, columnAt(query, at), after[at] ?? null)
    segments.push(...beyond(segment, columnAt(query, level), after[level] ?? null, query.descending))
  }
  return segments
}

function addBounds(segment: Segment, query: PageQuery): Segment {
  const sample = query.from ?? query.to
  if (sample === undefined) return segment
  const column = columnAt(query, 0)
  // Bounds hold for their own type: without the other bound, the type's end is one.
  const lowest = typeof sample === 'number' ? -Infinity : ''
  const beyondHighest = typeof sample === 'number' ? '' : firstBlob
  const bounded = add(segment, `${column} >= ?`, query.from ?? lowest)
  return add(bounded, `${column} < ?`, query.to ?? beyondHighest)
}

/** What comes behind a value in one column. Null is the first of all. */
function beyond(segment: Segment, column: string, value: Scalar, descending: boolean): Segment[] {
  if (!descending) {
    if (value !== null) return [add(segment, `${column} > ?`, toSql(value))]
    return [{ ...segment, where: `${segment.where} AND ${column} IS NOT NULL` }]
  }
  if (value === null) return []
  const smaller = add(segment, `${column} < ?`, toSql(value))
  return column === 'id' ? [smaller] : [smaller, equalTo(segment, column, null)]
}

/** Null by its name: only then does SQLite know that an index which leaves out nulls serves all the others. */
function equalTo(segment: Segment, column: string, value: Scalar): Segment {
  if (value === null) return { ...segment, where: `${segment.where} AND ${column} IS NULL` }
  return add(segment, `${column} = ?`, toSql(value))
}

function add(segment: Segment, condition: string, value: SqlValue): Segment {
  return { where: `${segment.where} AND ${condition}`, values: [...segment.values, value] }
}

function columnAt(query: PageQuery, at: number): string {
  return columnName(query.order[at] ?? 'id')
}

function orderBy(query: PageQuery): string {
  return query.order.map((field) => `${columnName(field)}${query.descending ? ' DESC' : ''}`).join(', ')
}

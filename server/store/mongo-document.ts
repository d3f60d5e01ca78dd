// Documents, conditions and changes in MongoDB's terms. A field is a field and an array an array, so that the database
// can judge and change them; what BSON can't hold as JSON does (keys with dots, broken text, deep nesting, long lists)
// is kept as JSON text in a Binary, which no JSON value becomes. `_w` and `_d` are the adapter's own.

import { Binary } from 'mongodb'
import type { Document } from 'mongodb'
import type { Edit, Term } from './change.ts'
import type { Fields } from './document.ts'
import { toBody } from './document.ts'

/** A document as MongoDB holds it. */
export interface Raw {
  readonly _id: string
  readonly [field: string]: unknown
}

const plainDepth = 40
const plainMaxLength = 64 * 1024

/** A checked document on its way in. */
export function toRaw(fields: Fields & { readonly id: string }): { raw: Raw; size: number } {
  const body = toBody(fields)
  const copy: Fields = JSON.parse(body)
  const raw: Fields = {}
  for (const [name, value] of Object.entries(copy)) if (name !== 'id') raw[name] = encodeField(name, value)
  return { raw: { _id: fields.id, ...raw }, size: body.length }
}

/** A document on its way out. */
export function fromRaw(raw: Raw): Fields {
  const fields: Fields = { id: raw._id }
  for (const name of Object.keys(raw)) {
    if (!name.startsWith('_')) fields[name] = decodeField(raw[name])
  }
  return fields
}

/** A top-level field's value; JSON already. */
function encodeField(name: string, value: unknown): unknown {
  if (name === 'expireAt') return typeof value === 'number' ? new Date(value) : null
  return Array.isArray(value) ? value.map(encodeValue) : encodeValue(value)
}

/** A value inside a field; JSON already. */
function encodeValue(value: unknown): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : toBinary(JSON.stringify(value))
  if (typeof value !== 'object' || value === null) return value
  const text = JSON.stringify(value)
  return text.length <= plainMaxLength && isPlain(value, plainDepth) ? value : toBinary(text)
}

function decodeField(value: unknown): unknown {
  if (value instanceof Date) return value.getTime()
  return Array.isArray(value) ? value.map(decodeValue) : decodeValue(value)
}

function decodeValue(value: unknown): unknown {
  return value instanceof Binary ? JSON.parse(value.toString('utf8')) : value
}

const toBinary = (text: string): Binary => new Binary(Buffer.from(text))

/** True for what BSON and every server version keep as it is. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth - 1))
  return Object.entries(value).every(([key, item]) => isPlainKey(key) && isPlain(item, depth - 1))
}

/** The driver takes an object with `_bsontype` for a value of its own. */
function isPlainKey(key: string): boolean {
  return key !== '' && key !== '__proto__' && key !== '_bsontype' && !/[$.\0]/.test(key) && key.isWellFormed()
}

/** The filter of one document that is there for callers and meets the conditions. Values never become operators. */
export function toFilter(id: string, terms: readonly Term[], nowMs: number): Document {
  const conditions: Document[] = [notExpired(nowMs)]
  for (const term of terms) conditions.push({ [toName(term.field)]: toCondition(term) })
  return { _id: { $eq: id }, $and: conditions }
}

/** The condition that retention may not delete it yet. Also holds where there is no `expireAt`. */
export function notExpired(nowMs: number): Document {
  return { expireAt: { $not: { $lte: new Date(nowMs) } } }
}

/** MongoDB compares with each element of an array too; here an array equals nothing. */
function toCondition(term: Term): Document {
  const single = { $not: { $type: 'array' } }
  if (term.test === 'equal') return { $eq: encodeOperand(term.field, term.value), ...single }
  if (term.test === 'less') return { $lt: encodeOperand(term.field, term.value), ...single }
  return { $in: term.value.map((value) => encodeOperand(term.field, value)), ...single }
}

function encodeOperand(field: string, value: unknown): unknown {
  return field === 'expireAt' && typeof value === 'number' ? new Date(value) : encodeValue(value)
}

/** MongoDB's name of a field. */
export const toName = (field: string): string => (field === 'id' ? '_id' : field)

/** Names one batch of one store: which writes of a short batch applied is read off the documents. */
export interface WriteToken {
  /** The store instance. */
  readonly writer: string
  /** The batch. */
  readonly batch: number
}

const tokenLifeMs = 60_000

/**
 * A change as a pipeline. With a token, the document says by whom it was last written: one entry for each writer of
 * the last minute.
 */
export function toPipeline(edit: Edit, token?: WriteToken): Document[] {
  const fields: Document = { version: { $add: ['$version', 1] } }
  for (const [name, value] of edit.set) fields[name] = { $literal: encodeField(name, value) }
  for (const [name, amount] of edit.increment) fields[name] = { $add: [{ $ifNull: [`$${name}`, 0] }, amount] }
  for (const [name, value] of edit.push) {
    fields[name] = { $concatArrays: [{ $ifNull: [`$${name}`, []] }, { $literal: [encodeValue(value)] }] }
  }
  if (token) fields['_w'] = withToken(token)
  const set = { $set: fields }
  return edit.unset.length === 0 ? [set] : [set, { $unset: [...edit.unset] }]
}

/** The pipeline that marks a document for deletion: expired long ago, and by whom. */
export function toMark(token: WriteToken): Document[] {
  return [{ $set: { expireAt: new Date(0), _d: { $literal: toMarkText(token) }, _w: withToken(token) } }]
}

/** What {@link toMark} leaves in `_d`. */
export const toMarkText = (token: WriteToken): string => `${token.writer}:${token.batch}`

function withToken({ writer, batch }: WriteToken): Document {
  const recent = { $gt: ['$$this.t', { $subtract: ['$$NOW', tokenLifeMs] }] }
  const others = { $and: [{ $ne: ['$$this.p', { $literal: writer }] }, recent] }
  const kept = { $filter: { input: { $ifNull: ['$_w', []] }, cond: others } }
  return { $concatArrays: [kept, [{ p: { $literal: writer }, n: batch, t: '$$NOW' }]] }
}

/** True when the document carries the token. */
export function hasToken(raw: Raw, token: WriteToken): boolean {
  const entries = raw['_w']
  if (!Array.isArray(entries)) return false
  return entries.some((entry: Document) => entry['p'] === token.writer && entry['n'] === token.batch)
}

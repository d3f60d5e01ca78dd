// Documents before and after the database: checks of what callers pass. Both adapters use them, so that a bad call
// fails alike on both. JSON.stringify decides what a nested value is.

import { AuthFlowError } from '../../shared/errors.ts'
import type { DocumentSet, StoredDocument } from './store.ts'

/** Text of a stored document may have this many bytes. */
const documentMaxBytes = 12 * 1024 * 1024

/** Most ids of a `getMany`, and most documents of a page. */
export const pageMax = 1000

const idMaxLength = 512
const latestInstantMs = 8.64e15
const printable = /^[\x20-\x7e]+$/
const fieldPattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

/** A stored document without its type. */
export type Fields = Record<string, unknown>

/** What a field can be compared with. */
export type Scalar = string | number | boolean | null

/** An `invalid_input` of the store. */
export function invalid(message: string): AuthFlowError {
  return new AuthFlowError('invalid_input', message)
}

/** The id, if it is one: 1 to 512 characters of printable ASCII. Also for names and owners of leases. */
export function checkId(id: unknown, what = 'id'): string {
  if (typeof id === 'string' && id.length <= idMaxLength && printable.test(id)) return id
  throw invalid(`${what} must be 1 to ${idMaxLength} characters of printable ASCII`)
}

/** A bound of a range of ids: any well-formed text. */
export function checkBound(value: unknown, what: string): string {
  if (typeof value === 'string' && value.length <= 2 * idMaxLength && isPlainText(value)) return value
  throw invalid(`${what} must be well-formed text of at most ${2 * idMaxLength} characters`)
}

/** A page's limit: 1 to 1000. */
export function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= pageMax) return limit
  throw invalid(`limit must be an integer from 1 to ${pageMax}`)
}

/** True for text that both databases keep and order alike: well-formed and without NUL. */
export function isPlainText(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0')
}

/** The value of an indexed field. Absent is null. */
export function checkIndexed(value: unknown, field: string): Scalar {
  if (value === undefined || value === null) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return checkNumber(value, field)
  if (typeof value === 'string' && isPlainText(value)) return value
  throw invalid(`field ${field} is indexed: it takes numbers, booleans, null and well-formed text only`)
}

const knownFields = new Set<string>()

/** A top-level field's name. Keeps to what both databases take; nested keys are free. */
export function checkField(name: string): string {
  if (knownFields.has(name)) return name
  if (!fieldPattern.test(name)) throw invalid('a top-level field name must match [A-Za-z][A-Za-z0-9_]{0,63}')
  if (knownFields.size < 10_000) knownFields.add(name)
  return name
}

/** A document as it will be stored, version 1. Nested values are the caller's until they are serialised. */
export function checkDocument(document: object): Fields & { readonly id: string } {
  const fields: Fields = {}
  for (const [name, value] of Object.entries(document) as [string, unknown][]) {
    if (value === undefined) continue
    fields[checkField(name)] = checkValue(value, name)
  }
  if (fields['expireAt'] !== undefined) checkExpireAt(fields['expireAt'])
  return Object.assign(fields, { id: checkId(fields['id']), version: 1 })
}

/** The same for who needs its id and its text only: nothing is copied. */
export function checkNewText(document: object): { readonly id: string; readonly body: string } {
  const given = document as Fields
  for (const name of Object.keys(given)) {
    const value = given[name]
    if (value !== undefined) checkValue(value, checkField(name))
  }
  if (given['expireAt'] !== undefined) checkExpireAt(given['expireAt'])
  const id = checkId(given['id'])
  return { id, body: given['version'] === 1 ? toBody(given) : toBody({ ...given, version: 1 }) }
}

/** JSON text of a value. Cycles, bigints and bottomless nesting are `invalid_input`. */
export function toJson(value: unknown): string {
  try {
    const text = JSON.stringify(value) as string | undefined
    if (text !== undefined) return text
  } catch {
    // Falls through: TypeError for cycles and bigints, RangeError for nesting that the engine can't follow.
  }
  throw invalid('a document must be JSON')
}

/** JSON text of a whole document, within the limit. */
export function toBody(fields: Fields): string {
  return checkSize(toJson(fields))
}

/** The text, or `document_too_large`. */
export function checkSize(text: string): string {
  if (text.length * 3 <= documentMaxBytes || Buffer.byteLength(text) <= documentMaxBytes) return text
  throw tooLarge()
}

/** The error for a document over the limit. */
export function tooLarge(cause?: unknown): AuthFlowError {
  return new AuthFlowError('document_too_large', `A record may have ${documentMaxBytes} bytes.`, {
    details: { limit: documentMaxBytes },
    cause,
  })
}

/** True when retention may delete the document: reads act as if it were gone. */
export function isExpired(fields: Fields, nowMs: number): boolean {
  const expireAt = fields['expireAt']
  return typeof expireAt === 'number' && expireAt <= nowMs
}

/** True for what a field can be compared with. */
export function isScalar(value: unknown): value is Scalar {
  return (
    value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  )
}

/** A finite number; -0 is 0, as in JSON. */
export function checkNumber(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0
  throw invalid(`${field} must be a finite number`)
}

/** A field's value, if it can be one at the top. */
export function checkValue(value: unknown, field: string): unknown {
  if (typeof value === 'number') return checkNumber(value, field)
  if (isScalar(value) || typeof value === 'object') return value
  throw invalid(`field ${field} is not JSON`)
}

/** An `expireAt`, or `invalid_input`. */
export function checkExpireAt(value: unknown): void {
  if (value === null) return
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= latestInstantMs) return
  throw invalid('expireAt must be null or whole milliseconds since 1970')
}

/** The one place where a stored document gets the type that its set declares. */
export function typed<T>(fields: Fields): T
export function typed<T>(fields: Fields | undefined): T | undefined
export function typed<T>(fields: Fields | undefined): T | undefined {
  return fields as T | undefined
}

const setPattern = /^[A-Za-z][A-Za-z0-9_]{0,47}$/

/** A set's definition, or `invalid_input`. */
export function checkSet(set: DocumentSet<StoredDocument>): void {
  const rule = 'must match [A-Za-z][A-Za-z0-9_]{0,47}'
  if (!setPattern.test(set.name)) throw invalid(`a set name ${rule}`)
  // SQLite's names don't know case.
  const folded = new Map<string, string>()
  for (const [name, fields] of Object.entries(set.indexes)) {
    if (!setPattern.test(name)) throw invalid(`index name of set ${set.name} ${rule}`)
    if (new Set(fields).size !== fields.length)
      throw invalid(`index ${name} of set ${set.name} repeats a field`)
    for (const field of fields) {
      const lower = checkField(field).toLowerCase()
      if ((folded.get(lower) ?? field) !== field) {
        throw invalid(`set ${set.name} has two indexed fields that differ in case only`)
      }
      folded.set(lower, field)
    }
  }
}

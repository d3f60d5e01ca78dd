// Documents before and after the database: checks of what callers pass, matching and changing in memory. Both adapters
// use the checks, so that a bad call fails alike on both. JSON.stringify decides what a nested value is.

import { AuthFlowError } from '../../shared/errors.ts'
import type { DocumentSet, StoredDocument } from './store.ts'

/** Text of a stored document may have this many bytes. */
export const documentMaxBytes = 12 * 1024 * 1024

/** Most ids of a `getMany`, and most documents of a page. */
export const pageMax = 1000

const idMaxLength = 512
const inMaxValues = 20
const latestInstantMs = 8.64e15
const printable = /^[\x20-\x7e]+$/
const fieldPattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

/** A stored document without its type. */
export type Fields = Record<string, unknown>

/** What a field can be compared with. */
export type Scalar = string | number | boolean | null

/** One condition of a match, checked. */
export type Term =
  | { readonly field: string; readonly test: 'equal'; readonly value: Scalar }
  | { readonly field: string; readonly test: 'less'; readonly value: number | string }
  | { readonly field: string; readonly test: 'in'; readonly value: readonly Scalar[] }

/** A change, checked and cut loose from the caller's objects. */
export interface Edit {
  readonly set: readonly (readonly [string, unknown])[]
  readonly increment: readonly (readonly [string, number])[]
  readonly push: readonly (readonly [string, unknown])[]
  readonly unset: readonly string[]
  /** Characters of all new values, about. */
  readonly size: number
}

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
function checkSize(text: string): string {
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

/** The conditions of a match. */
export function parseMatch(match: object): Term[] {
  const terms: Term[] = []
  for (const [name, condition] of Object.entries(match) as [string, unknown][]) {
    terms.push(parseTerm(checkField(name), condition))
  }
  return terms
}

function parseTerm(field: string, condition: unknown): Term {
  if (isScalar(condition)) return { field, test: 'equal', value: checkScalar(condition, field) }
  if (typeof condition === 'object' && condition !== null && Object.keys(condition).length === 1) {
    if ('lessThan' in condition) {
      const bound = condition.lessThan
      if (typeof bound === 'number') return { field, test: 'less', value: checkNumber(bound, field) }
      if (typeof bound === 'string' && isPlainText(bound)) return { field, test: 'less', value: bound }
    }
    if ('in' in condition && Array.isArray(condition.in) && condition.in.length <= inMaxValues) {
      const values: unknown[] = condition.in
      return { field, test: 'in', value: values.map((value) => checkScalar(value, field)) }
    }
  }
  throw invalid(
    `match.${field} must be a scalar, { lessThan: number or text } or { in: at most ${inMaxValues} scalars }`,
  )
}

/** A change that is safe to keep: nested values are copied. */
export function parseChange(change: {
  readonly set?: object
  readonly increment?: object
  readonly push?: object
  readonly unset?: readonly string[]
}): Edit {
  let size = 0
  const copy = (value: unknown, field: string): unknown => {
    const checked = checkValue(value, field)
    if (typeof checked === 'string') {
      size += checkSize(checked).length
      return checked
    }
    if (typeof checked !== 'object' || checked === null) return checked
    const text = checkSize(toJson(checked))
    size += text.length
    return JSON.parse(text)
  }
  const set = parsePart(change.set, copy)
  const increment = parsePart(change.increment, checkNumber)
  const push = parsePart(change.push, copy)
  const edit: Edit = { set, increment, push, unset: (change.unset ?? []).map(checkField), size }
  checkParts(edit)
  return edit
}

/** Throws when a change would put into an indexed field what no index takes. */
export function checkIndexedEdit(edit: Edit, indexed: ReadonlySet<string>): Edit {
  for (const [name, value] of edit.set) if (indexed.has(name)) checkIndexed(value, name)
  for (const [name] of edit.push) {
    if (indexed.has(name)) throw invalid(`field ${name} is indexed: it cannot be an array`)
  }
  return edit
}

function parsePart<T>(
  part: object | undefined,
  check: (value: unknown, name: string) => T,
): (readonly [string, T])[] {
  const entries: (readonly [string, T])[] = []
  if (part === undefined) return entries
  for (const [name, value] of Object.entries(part) as [string, unknown][]) {
    if (value !== undefined) entries.push([checkField(name), check(value, name)])
  }
  return entries
}

function checkParts(edit: Edit): void {
  const names = new Set(editedFields(edit))
  const count = edit.set.length + edit.increment.length + edit.push.length + edit.unset.length
  if (names.size !== count) throw invalid('a field may stand in one part of a change only')
  if (names.has('id') || names.has('version')) throw invalid('id and version cannot be changed')
  if (!names.has('expireAt')) return
  for (const [name, value] of edit.set) if (name === 'expireAt') checkExpireAt(value)
  for (const [name] of [...edit.increment, ...edit.push]) {
    if (name === 'expireAt') throw invalid('expireAt can be set or unset only')
  }
}

/** Names of the fields that a change touches, `version` left out. */
export function editedFields(edit: Edit): string[] {
  const names = [...edit.unset]
  for (const [name] of edit.set) names.push(name)
  for (const [name] of edit.increment) names.push(name)
  for (const [name] of edit.push) names.push(name)
  return names
}

/** True when all conditions hold. Absent and null are the same. */
export function matches(fields: Fields, terms: readonly Term[]): boolean {
  for (const term of terms) {
    const value = fields[term.field] ?? null
    if (term.test === 'equal') {
      if (value !== term.value) return false
    } else if (term.test === 'in') {
      if (!isScalar(value) || !term.value.includes(value)) return false
    } else if (!isLess(value, term.value)) return false
  }
  return true
}

function isLess(value: unknown, bound: number | string): boolean {
  if (typeof value === 'number' && typeof bound === 'number') return value < bound
  if (typeof value === 'string' && typeof bound === 'string') return compareText(value, bound) < 0
  return false
}

/** Order of text by code points, as both databases have it. */
export function compareText(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

/**
 * Changes a document in place and raises its version.
 *
 * @throws {@link AuthFlowError} `invalid_input` when a field is no number or no array; the document is spoilt then
 */
export function applyEdit(fields: Fields, edit: Edit): void {
  for (const [name, value] of edit.set) fields[name] = value
  for (const name of edit.unset) delete fields[name]
  for (const [name, amount] of edit.increment) {
    const before = fields[name] ?? 0
    if (typeof before !== 'number') throw invalid(`field ${name} is no number`)
    fields[name] = before + amount
  }
  for (const [name, value] of edit.push) {
    const before = fields[name] ?? []
    if (!Array.isArray(before)) throw invalid(`field ${name} is no array`)
    before.push(value)
    fields[name] = before
  }
  fields['version'] = Number(fields['version']) + 1
}

/** True when retention may delete the document: reads act as if it were gone. */
export function isExpired(fields: Fields, nowMs: number): boolean {
  const expireAt = fields['expireAt']
  return typeof expireAt === 'number' && expireAt <= nowMs
}

function isScalar(value: unknown): value is Scalar {
  return (
    value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  )
}

function checkScalar(value: unknown, field: string): Scalar {
  if (typeof value === 'number') return checkNumber(value, field)
  if (isScalar(value)) return value
  throw invalid(`match.${field} can be compared with scalars only`)
}

function checkNumber(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0
  throw invalid(`${field} must be a finite number`)
}

function checkValue(value: unknown, field: string): unknown {
  if (typeof value === 'number') return checkNumber(value, field)
  if (isScalar(value) || typeof value === 'object') return value
  throw invalid(`field ${field} is not JSON`)
}

function checkExpireAt(value: unknown): void {
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

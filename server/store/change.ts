// Matches and changes: checked for both adapters, and carried out in memory for the one that works on whole documents.

import {
  checkExpireAt,
  checkField,
  checkIndexed,
  checkNumber,
  checkSize,
  checkValue,
  invalid,
  isPlainText,
  isScalar,
  toJson,
} from './document.ts'
import type { Fields, Scalar } from './document.ts'

const inMaxValues = 20

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
  /** Names of the fields that are touched, `version` left out. */
  readonly fields: readonly string[]
  /** Characters of all new values, about. */
  readonly size: number
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
  const unset = (change.unset ?? []).map(checkField)
  const edit: Edit = { set, increment, push, unset, fields: namesOf(set, increment, push, unset), size }
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
  const given = part as Fields
  for (const name of Object.keys(given)) {
    const value = given[name]
    if (value !== undefined) entries.push([checkField(name), check(value, name)])
  }
  return entries
}

function namesOf(
  set: Edit['set'],
  increment: Edit['increment'],
  push: Edit['push'],
  unset: Edit['unset'],
): string[] {
  const names = [...unset]
  for (const [name] of set) names.push(name)
  for (const [name] of increment) names.push(name)
  for (const [name] of push) names.push(name)
  return names
}

function checkParts({ fields, set, increment, push }: Edit): void {
  // A change has a few fields: a set of them would cost more than it saves.
  if (fields.some((name, at) => fields.indexOf(name) !== at))
    throw invalid('a field may stand in one part of a change only')
  if (fields.includes('id') || fields.includes('version')) throw invalid('id and version cannot be changed')
  if (!fields.includes('expireAt')) return
  for (const [name, value] of set) if (name === 'expireAt') checkExpireAt(value)
  for (const [name] of [...increment, ...push]) {
    if (name === 'expireAt') throw invalid('expireAt can be set or unset only')
  }
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
 * Changes a document in place and raises its version. What is unset stays as undefined, which no text has: to delete it
 * would make the object a slow one.
 *
 * @throws {@link AuthFlowError} `invalid_input` when a field is no number or no array; the document is spoilt then
 */
export function applyEdit(fields: Fields, edit: Edit): void {
  for (const [name, value] of edit.set) fields[name] = value
  for (const name of edit.unset) fields[name] = undefined
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

function checkScalar(value: unknown, field: string): Scalar {
  if (typeof value === 'number') return checkNumber(value, field)
  if (isScalar(value)) return value
  throw invalid(`match.${field} can be compared with scalars only`)
}

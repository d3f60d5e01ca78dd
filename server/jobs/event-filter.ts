// The event filter language: which payloads a trigger wants. A filter is a nested object. Its leaves are arrays: of
// plain values (one of them must be equal) or of matchers (all must hold). An object against an array asks for any
// element; nothing there (null, absent) matches only an empty filter.

import { AuthFlowError } from '../../shared/errors.ts'
import type { EventFilter, Json } from './job.ts'

type Value = Json | undefined
type Leaf = readonly (string | number | boolean | Readonly<Record<string, Json>>)[]

interface Matcher {
  /** What the matcher compares with, in words; undefined when the operand fits. */
  readonly expects: (operand: Json) => string | undefined
  readonly matches: (value: Value, operand: Json) => boolean
}

const maxDepth = 20

const isText = (operand: Json): string | undefined => (typeof operand === 'string' ? undefined : 'a string')
const isNumber = (operand: Json): string | undefined => (Number.isFinite(operand) ? undefined : 'a number')
const isBoolean = (operand: Json): string | undefined =>
  typeof operand === 'boolean' ? undefined : 'a boolean'
const isScalar = (operand: Json): string | undefined =>
  operand === null || typeof operand !== 'object' ? undefined : 'a string, number, boolean or null'
const isScalarOrList = (operand: Json): string | undefined =>
  Array.isArray(operand) ? operand.map(isScalar).find((problem) => problem !== undefined) : isScalar(operand)
const isRange = (operand: Json): string | undefined => {
  const [low, high, ...more] = Array.isArray(operand) ? operand : []
  const isAscending = typeof low === 'number' && typeof high === 'number' && low <= high
  return isAscending && more.length === 0 && Number.isFinite(high - low)
    ? undefined
    : 'two numbers, the lower one first'
}

const compare =
  (test: (value: number, operand: number) => boolean): Matcher['matches'] =>
  (value, operand) =>
    typeof value === 'number' && typeof operand === 'number' && test(value, operand)

const text =
  (test: (value: string, operand: string) => boolean): Matcher['matches'] =>
  (value, operand) =>
    typeof value === 'string' && typeof operand === 'string' && test(value, operand)

const contains = (list: Value, value: Value): boolean =>
  Array.isArray(list) && list.some((item) => item === value)

const matchers: Readonly<Record<string, Matcher>> = {
  $startsWith: { expects: isText, matches: text((value, operand) => value.startsWith(operand)) },
  $endsWith: { expects: isText, matches: text((value, operand) => value.endsWith(operand)) },
  $ignoreCaseEquals: {
    expects: isText,
    matches: text((value, operand) => value.toLowerCase() === operand.toLowerCase()),
  },
  $exists: { expects: isBoolean, matches: (value, operand) => (value !== undefined) === operand },
  $isNull: { expects: isBoolean, matches: (value, operand) => (value === null) === operand },
  $anythingBut: {
    expects: isScalarOrList,
    matches: (value, operand) => (Array.isArray(operand) ? !contains(operand, value) : value !== operand),
  },
  $gt: { expects: isNumber, matches: compare((value, operand) => value > operand) },
  $lt: { expects: isNumber, matches: compare((value, operand) => value < operand) },
  $gte: { expects: isNumber, matches: compare((value, operand) => value >= operand) },
  $lte: { expects: isNumber, matches: compare((value, operand) => value <= operand) },
  $between: {
    expects: isRange,
    matches: (value, operand) => {
      const [low, high] = Array.isArray(operand) ? operand : []
      return (
        typeof value === 'number' &&
        typeof low === 'number' &&
        typeof high === 'number' &&
        value >= low &&
        value <= high
      )
    },
  },
  $includes: { expects: isScalar, matches: contains },
  $not: {
    expects: isScalar,
    matches: (value, operand) => (Array.isArray(value) ? !contains(value, operand) : value !== operand),
  },
}

/** True when the payload is what the filter asks for. A value of another type than the matcher's does not match. */
export function filterMatches(payload: Value, filter: EventFilter): boolean {
  const entries = Object.entries(filter)
  if (entries.length === 0) return true
  if (payload === undefined || payload === null) return false
  if (Array.isArray(payload)) return payload.some((item) => filterMatches(item, filter))
  return entries.every(([key, pattern]) => {
    const value = typeof payload === 'object' && Object.hasOwn(payload, key) ? payload[key] : undefined
    return isLeaf(pattern) ? leafMatches(value, pattern) : filterMatches(value, pattern)
  })
}

/**
 * Refuses what is no filter: unknown matchers, operands of the wrong type, plain values mixed with matchers.
 *
 * @throws {@link AuthFlowError} `invalid_input` naming the place
 */
export function checkFilter(filter: EventFilter, place = 'filter', depth = 0): void {
  if (depth > maxDepth)
    throw new AuthFlowError('invalid_input', `${place} is nested more than ${maxDepth} deep.`)
  if (!isObject(filter)) throw new AuthFlowError('invalid_input', `${place} must be an object or an array.`)
  for (const [key, pattern] of Object.entries(filter)) {
    const here = `${place}.${key}`
    if (isLeaf(pattern)) checkLeaf(pattern, here)
    else checkFilter(pattern, here, depth + 1)
  }
}

function checkLeaf(leaf: Leaf, place: string): void {
  const objects = leaf.filter(isObject)
  if (objects.length > 0 && objects.length < leaf.length) {
    throw new AuthFlowError('invalid_input', `${place} mixes plain values with matchers. Use one kind.`)
  }
  for (const item of leaf) {
    if (isObject(item)) checkMatchers(item, place)
    else if (!['string', 'number', 'boolean'].includes(typeof item)) {
      throw new AuthFlowError(
        'invalid_input',
        `${place} holds ${item === null ? 'null' : typeof item}. Use [{ $isNull: true }] for null.`,
      )
    }
  }
}

function checkMatchers(matcher: Readonly<Record<string, Json>>, place: string): void {
  const entries = Object.entries(matcher)
  if (entries.length === 0) throw new AuthFlowError('invalid_input', `${place} holds an empty matcher.`)
  for (const [name, operand] of entries) {
    const known = Object.hasOwn(matchers, name) ? matchers[name] : undefined
    if (known === undefined) throw new AuthFlowError('invalid_input', `${place} has no matcher ${name}.`)
    const expected = known.expects(operand)
    if (expected !== undefined)
      throw new AuthFlowError('invalid_input', `${place}.${name} must be ${expected}.`)
  }
}

function leafMatches(value: Value, leaf: Leaf): boolean {
  if (leaf.length === 0) return true
  if (!leaf.some(isObject)) return leaf.some((item) => item === value)
  return leaf.every(
    (item) =>
      isObject(item) &&
      Object.entries(item).every(
        ([name, operand]) => Object.hasOwn(matchers, name) && matchers[name]?.matches(value, operand),
      ),
  )
}

const isLeaf = (pattern: EventFilter | Leaf): pattern is Leaf => Array.isArray(pattern)

const isObject = (value: unknown): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

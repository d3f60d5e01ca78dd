// Paging: the checked form of a list query, and cursors. A cursor names a place in the order of one index, not a
// count, so that writes between two pages neither repeat nor hide other documents.

import type { CountQuery, DocumentSet, ListQuery, StoredDocument } from './store.ts'
import { checkIndexed, checkLimit, invalid } from './document.ts'
import type { Fields, Scalar } from './document.ts'

/** A list query, checked. */
export interface PageQuery {
  /** Field of the equality. */
  readonly field: string
  readonly equals: Scalar
  /** Fields of the order, `id` the last. */
  readonly order: readonly string[]
  readonly descending: boolean
  readonly limit: number
  /** Bounds on the first field of the order; both of one type. */
  readonly from: number | string | undefined
  readonly to: number | string | undefined
  /** Values of `order` of the last document before this page. */
  readonly after: readonly Scalar[] | undefined
}

const cursorMaxLength = 8192

/**
 * Checks a query against its set.
 *
 * @throws {@link AuthFlowError} `invalid_input` for an unknown index, a bad bound, or a cursor of another query
 */
export function parsePageQuery<T extends StoredDocument>(
  set: DocumentSet<T>,
  query: ListQuery<T>,
): PageQuery {
  const fields = Object.hasOwn(set.indexes, query.index) ? set.indexes[query.index] : undefined
  if (!fields) throw invalid(`set ${set.name} has no index ${query.index}`)
  const [field, ...rest] = fields
  const bounded = query.from !== undefined || query.to !== undefined
  if (bounded && rest.length === 0) throw invalid(`index ${query.index} has no second field for from and to`)
  if (query.from !== undefined && query.to !== undefined && typeof query.from !== typeof query.to) {
    throw invalid('from and to must both be numbers or both be text')
  }
  const order = [...rest.filter((name) => name !== 'id'), 'id']
  return {
    field,
    equals: checkIndexed(query.equals, field),
    order,
    descending: query.order === 'desc',
    limit: checkLimit(query.limit),
    from: checkRangeBound(query.from, 'from'),
    to: checkRangeBound(query.to, 'to'),
    after: query.cursor === undefined ? undefined : decodeCursor(query.cursor, set.name, query.index, order),
  }
}

const countMax = 100_000

/**
 * The field that is counted by.
 *
 * @throws {@link AuthFlowError} `invalid_input` for an unknown index, a bad bound or a bad limit
 */
export function parseCountQuery<T extends StoredDocument>(set: DocumentSet<T>, query: CountQuery): string {
  const { index, from, to, limit } = query
  if (index !== undefined && !Object.hasOwn(set.indexes, index))
    throw invalid(`set ${set.name} has no index ${index}`)
  if (typeof checkRangeBound(from, 'from') !== 'string' || typeof checkRangeBound(to, 'to') !== 'string')
    throw invalid('from and to must be text')
  if (!Number.isInteger(limit) || limit < 1 || limit > countMax)
    throw invalid(`limit must be an integer from 1 to ${countMax}`)
  return index === undefined ? 'id' : (set.indexes[index]?.[0] ?? 'id')
}

function checkRangeBound(value: number | string | undefined, what: string): number | string | undefined {
  if (value === undefined) return undefined
  const checked = checkIndexed(value, what)
  if (typeof checked === 'number' || typeof checked === 'string') return checked
  throw invalid(`${what} must be a number or text`)
}

/** The cursor that continues behind the given document. */
export function encodeCursor(setName: string, index: string, order: readonly string[], last: Fields): string {
  const place = order.map((field) => last[field] ?? null)
  return Buffer.from(JSON.stringify([setName, index, place])).toString('base64url')
}

function decodeCursor(cursor: string, setName: string, index: string, order: readonly string[]): Scalar[] {
  const bad = invalid('cursor is not one of this query')
  if (typeof cursor !== 'string' || cursor.length > cursorMaxLength) throw bad
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    throw bad
  }
  if (!Array.isArray(value) || value.length !== 3 || value[0] !== setName || value[1] !== index) throw bad
  const place: unknown = value[2]
  if (!Array.isArray(place) || place.length !== order.length || typeof place.at(-1) !== 'string') throw bad
  return place.map((part, at) => checkIndexed(part, order[at] ?? 'id'))
}

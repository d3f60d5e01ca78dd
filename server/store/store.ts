// The store's interface: atomic verbs over sets of documents. Nothing above this folder knows which database it has.
// An adapter gives the same answers to the same calls as the other, errors included; contract.ts is the judge.
//
// A document is JSON: strings, finite numbers, booleans, null, arrays and plain objects. Secrets arrive encrypted, as
// text. Instants are milliseconds since 1970. Undefined members are left out.

/** What every stored document has. */
export interface StoredDocument {
  /** Unique in its set. At most 512 characters of printable ASCII. The only unique key there is. */
  readonly id: string
  /** Set by the store: 1 on insert, one more with every update. */
  readonly version: number
  /**
   * When retention may delete it, in whole ms. From then on it is gone for reads, updates and removals; its id is free
   * once it is deleted.
   */
  readonly expireAt?: number | null
}

/** A named set of documents with the indexes that `list` may use. Made by {@link defineSet}. */
export interface DocumentSet<T extends StoredDocument> {
  readonly name: string
  /** Index name to its fields: equality on the first one, order by the others. Top-level scalar fields. */
  readonly indexes: Readonly<Record<string, readonly [string, ...string[]]>>
  /** Never present; carries the type. */
  readonly documentType?: T
}

/** What a store has of some sets, by their names. */
export interface SetsFound {
  /** Not there yet. */
  readonly missing: readonly string[]
  /** Made for another definition. */
  readonly changed: readonly string[]
}

/** The sets that are as they should be. */
export const fitting = (
  sets: readonly DocumentSet<StoredDocument>[],
  { missing, changed }: SetsFound,
): DocumentSet<StoredDocument>[] => sets.filter(({ name }) => ![...missing, ...changed].includes(name))

/** Declares a set. Every set of the product is passed to {@link Store.migrate}. */
export function defineSet<T extends StoredDocument>(
  name: string,
  indexes: Readonly<Record<string, readonly [keyof T & string, ...(keyof T & string)[]]>> = {},
): DocumentSet<T> {
  return { name, indexes }
}

/** A document before the store has numbered it. */
export type NewDocument<T extends StoredDocument> = Omit<T, 'version'>

type Scalar = string | number | boolean | null

/**
 * Conditions on top-level fields, all of which must hold. A plain value means equality (an absent field equals null),
 * `lessThan` compares numbers or strings and fails on absent, `in` takes up to 20 values.
 */
export type Match<T extends StoredDocument> = {
  readonly [K in keyof T]?:
    Scalar | { readonly lessThan: number | string } | { readonly in: readonly Scalar[] }
}

/** What an update does; all parts at once. A field stands in one part only. `id` and `version` can't be changed. */
export interface Change<T extends StoredDocument> {
  /** Replaces whole top-level fields. */
  readonly set?: Partial<Omit<T, 'id' | 'version'>>
  /** Adds to numbers; an absent one counts as 0. */
  readonly increment?: { readonly [K in keyof T]?: number }
  /** Appends one value to array fields; an absent one counts as empty. */
  readonly push?: { readonly [K in keyof T]?: unknown }
  /** Removes fields. */
  readonly unset?: readonly (keyof T & string)[]
}

/** One part of a transaction. Made by {@link insertStep}, {@link updateStep}, {@link removeStep}, {@link vacantStep}. */
export type Step =
  | {
      readonly verb: 'insert'
      readonly set: string
      readonly document: Readonly<Record<string, unknown>> & { readonly id: string }
    }
  | {
      readonly verb: 'update'
      readonly set: string
      readonly id: string
      readonly match: Readonly<Record<string, unknown>>
      readonly change: {
        readonly set?: Readonly<Record<string, unknown>>
        readonly increment?: Readonly<Record<string, number>>
        readonly push?: Readonly<Record<string, unknown>>
        readonly unset?: readonly string[]
      }
    }
  | {
      readonly verb: 'remove'
      readonly set: string
      readonly id: string
      readonly match: Readonly<Record<string, unknown>>
    }
  | {
      readonly verb: 'vacant'
      readonly set: string
      readonly from: string
      readonly to: string
    }

/** What {@link Store.list} looks for. */
export interface ListQuery<T extends StoredDocument> {
  /** Name of a declared index. */
  readonly index: string
  /** Value of the index's first field. Null finds absent and null, and may read the whole set: no index holds them. */
  readonly equals: Scalar
  /** Bounds on the index's second field: from inclusive, to exclusive. */
  readonly from?: number | string
  readonly to?: number | string
  /** By the remaining fields of the index, then by id (default `asc`). */
  readonly order?: 'asc' | 'desc'
  /** 1 to 1000. */
  readonly limit: number
  /** From the page before. A page boundary is a place in the order: writes meanwhile neither repeat nor hide others. */
  readonly cursor?: string
  /** Never present; carries the type. */
  readonly documentType?: T
}

/** What {@link Store.count} counts: documents whose id, or first field of an index, is text in `from <= it < to`. */
export interface CountQuery {
  /** Name of a declared index (default: the ids). */
  readonly index?: string
  readonly from: string
  readonly to: string
  /** Where counting stops: 1 to 100,000. What it costs grows with it. */
  readonly limit: number
}

/** A page of documents. */
export interface DocumentPage<T> {
  readonly items: T[]
  /** Present when there may be more. */
  readonly cursor?: string
}

/** A timed claim on a name. */
export interface Lease {
  readonly name: string
  readonly owner: string
  /** Greater than that of every earlier claim of this name, forever. */
  readonly fence: number
}

/** What an adapter can't do or does at another price. */
export interface StoreCapabilities {
  /**
   * True when a transaction costs about as much as its writes, so that callers may prefer one. Only then it takes
   * {@link vacantStep}.
   */
  readonly cheapTransactions: boolean
  /** True when several machines can share the store. */
  readonly distributed: boolean
}

/**
 * The atomic verbs. Every promise of a write resolves after the write is durable. Concurrent writes of one process are
 * committed together; each has its own outcome, and a failing one does not undo its neighbours. After {@link close}
 * every verb throws `closed`.
 *
 * All verbs throw {@link AuthFlowError} `store_busy` (not accepted within 5 s), `store_unavailable`,
 * `store_read_only`, `store_corrupt`, `document_too_large` (over 12 MB of JSON; MongoDB refuses a document that grew by
 * small changes somewhere between 12 and 16 MB) or `invalid_input` (a call that can't work on any store).
 *
 * A write that throws `store_unavailable` may have been done all the same: read, then repeat.
 */
export interface Store {
  /** For people and logs: `sqlite` or `mongodb`. */
  readonly kind: 'sqlite' | 'mongodb'
  readonly capabilities: StoreCapabilities

  /**
   * Creates what the sets need; idempotent, safe with several processes at once.
   *
   * @throws {@link AuthFlowError} `environment_mismatch`, `schema_newer`, `invalid_option` (a bad path or URL)
   */
  migrate(sets: readonly DocumentSet<StoredDocument>[], environment: string): Promise<void>

  /**
   * What {@link Store.migrate} would find. Writes nothing; the sets that fit can be read afterwards.
   *
   * @throws {@link AuthFlowError} those of `migrate`
   */
  examine(sets: readonly DocumentSet<StoredDocument>[], environment: string): Promise<SetsFound>

  /** The store's clock in ms: local, corrected by an offset sampled from the database where it has a clock. */
  now(): number

  /** Inserts once. False when the id exists; nothing is changed then. */
  insert<T extends StoredDocument>(set: DocumentSet<T>, document: NewDocument<T>): Promise<boolean>

  /** The document, or undefined. Sees every write that has resolved. */
  get<T extends StoredDocument>(set: DocumentSet<T>, id: string): Promise<T | undefined>

  /** Those that exist of at most 1000 ids, in the order of the ids. */
  getMany<T extends StoredDocument>(set: DocumentSet<T>, ids: readonly string[]): Promise<T[]>

  /** Changes the document if it exists and matches; else false and nothing is changed. One atomic compare-and-set. */
  update<T extends StoredDocument>(
    set: DocumentSet<T>,
    id: string,
    match: Match<T>,
    change: Change<T>,
  ): Promise<boolean>

  /** Like {@link update}, and gives back the document after the change; undefined when it did not match. */
  updateAndGet<T extends StoredDocument>(
    set: DocumentSet<T>,
    id: string,
    match: Match<T>,
    change: Change<T>,
  ): Promise<T | undefined>

  /** Deletes the document if it exists and matches (default: any). */
  remove<T extends StoredDocument>(set: DocumentSet<T>, id: string, match?: Match<T>): Promise<boolean>

  /** All or nothing: true when every step applied; false when one did not (id exists, no match), and then none did. */
  transact(steps: readonly Step[]): Promise<boolean>

  /** A page by a declared index. */
  list<T extends StoredDocument>(set: DocumentSet<T>, query: ListQuery<T>): Promise<DocumentPage<T>>

  /** Documents with `from <= id < to`, in id order, at most `limit` (1 to 1000). */
  range<T extends StoredDocument>(set: DocumentSet<T>, from: string, to: string, limit: number): Promise<T[]>

  /** How many there are, at most the limit. For people: what has expired counts until it is deleted. */
  count<T extends StoredDocument>(set: DocumentSet<T>, query: CountQuery): Promise<number>

  /**
   * Claims a name for `leaseMs`. Undefined while another owner holds it, that is until its end plus 5 s. The owner
   * that holds it gets it again with a new fence. Timed by the database's clock (MongoDB) or by the machine's monotonic
   * clock and boot id (SQLite), never by wall time.
   */
  acquireLease(name: string, owner: string, leaseMs: number): Promise<Lease | undefined>

  /** Prolongs a lease from now. False when it was taken over or released. */
  renewLease(lease: Lease, leaseMs: number): Promise<boolean>

  /** Ends a lease. A lease that was taken over is left alone. */
  releaseLease(lease: Lease): Promise<void>

  /** A new fence for the name, greater than all before, which ends whatever lease there is. */
  takeFence(name: string): Promise<number>

  /** Calls back soon after another process may have written (or after any write). Returns how to stop. */
  onChange(listener: () => void): () => void

  /** Deletes expired documents, at most about `limit`; how many were deleted. */
  sweepExpired(limit: number): Promise<number>

  /** True when a write and a read go through. For readiness. */
  ping(): Promise<boolean>

  /** Finishes accepted writes, then closes. Repeated calls do nothing. */
  close(): Promise<void>
}

/** A step that inserts once. */
export function insertStep<T extends StoredDocument>(set: DocumentSet<T>, document: NewDocument<T>): Step {
  return { verb: 'insert', set: set.name, document: { ...document } }
}

/** A step that changes a matching document. */
export function updateStep<T extends StoredDocument>(
  set: DocumentSet<T>,
  id: string,
  match: Match<T>,
  change: Change<T>,
): Step {
  return {
    verb: 'update',
    set: set.name,
    id,
    match: { ...match },
    change: { ...change } as Extract<Step, { verb: 'update' }>['change'],
  }
}

/** A step that deletes a matching document. */
export function removeStep<T extends StoredDocument>(
  set: DocumentSet<T>,
  id: string,
  match: Match<T> = {},
): Step {
  return { verb: 'remove', set: set.name, id, match: { ...match } }
}

/**
 * A step that applies where no document has `from <= id < to` before the transaction; nothing can be inserted there until
 * it is committed. A store without cheap transactions can't promise that and throws `invalid_input`.
 */
export function vacantStep<T extends StoredDocument>(set: DocumentSet<T>, from: string, to: string): Step {
  return { verb: 'vacant', set: set.name, from, to }
}

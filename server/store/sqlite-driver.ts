// The SQLite driver behind the shape of Node's DatabaseSync: node:sqlite where Node has it, else the optional package
// with the same shape. Also what its errors mean.

import { AuthFlowError } from '../../shared/errors.ts'

/** What can be bound to a statement. Booleans and undefined can't: not every driver takes them. */
export type SqlValue = string | number | null | Uint8Array

/** A prepared statement. */
export interface SqlStatement {
  run(...values: SqlValue[]): { changes: number | bigint }
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
}

/** An open database. Every call is synchronous. */
export interface SqlDatabase {
  exec(sql: string): void
  prepare(sql: string): SqlStatement
  close(): void
}

interface SqlDriver {
  DatabaseSync: new (path: string) => SqlDatabase
}

const installHint =
  'This Node has no node:sqlite. Run `npm install @photostructure/sqlite@~1.2.1`, or use Node 22.13 or later.'

// Kept for the same reason as the adapters in open-store.ts.
let loaded: SqlDriver | undefined

/**
 * Node's own driver, else the package.
 *
 * @throws {@link AuthFlowError} `missing_peer` when neither can be loaded
 */
export async function loadSqliteDriver(): Promise<SqlDriver> {
  return (loaded ??= await findDriver())
}

async function findDriver(): Promise<SqlDriver> {
  const builtin: unknown = process.getBuiltinModule?.('node:sqlite')
  if (isDriver(builtin)) return builtin
  try {
    const driver: unknown = await import('@photostructure/sqlite')
    if (isDriver(driver)) return driver
  } catch (cause) {
    throw new AuthFlowError('missing_peer', installHint, { cause })
  }
  throw new AuthFlowError('missing_peer', installHint)
}

function isDriver(value: unknown): value is SqlDriver {
  return typeof value === 'object' && value !== null && 'DatabaseSync' in value
}

// Primary result codes, https://sqlite.org/rescode.html
const sqlitePerm = 3
const sqliteBusy = 5
const sqliteLocked = 6
const sqliteNoMemory = 7
const sqliteReadOnly = 8
const sqliteIoError = 10
const sqliteCorrupt = 11
const sqliteFull = 13
const sqliteCannotOpen = 14
const sqliteTooBig = 18
const sqliteAuth = 23
const sqliteNotADatabase = 26

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

/** True when another connection holds the lock: the same may work in a moment. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code === sqliteBusy || code === sqliteLocked
}

/** True when a file can't be opened: of an open database, the log beside it. */
export function isCannotOpen(error: unknown): boolean {
  return resultCode(error) === sqliteCannotOpen
}

const fileErrors = new Set([
  sqlitePerm,
  sqliteNoMemory,
  sqliteReadOnly,
  sqliteIoError,
  sqliteCorrupt,
  sqliteCannotOpen,
  sqliteAuth,
  sqliteNotADatabase,
])

/** True when the file or the machine is at fault, so that other writes would fail as well. */
export function isFileError(error: unknown): boolean {
  const code = resultCode(error)
  return code !== undefined && fileErrors.has(code)
}

/** Ends a transaction that failed. SQLite ends some on its own. */
export function rollBack(db: SqlDatabase): void {
  try {
    db.exec('ROLLBACK')
  } catch {
    // There was none any more.
  }
}

/** A driver's error as one of ours. Ours come back unchanged. */
export function toStoreError(cause: unknown): AuthFlowError {
  if (cause instanceof AuthFlowError) return cause
  switch (resultCode(cause)) {
    case sqliteBusy:
    case sqliteLocked:
      return new AuthFlowError('store_busy', undefined, { cause })
    case sqlitePerm:
    case sqliteReadOnly:
    case sqliteFull:
    case sqliteAuth:
      return new AuthFlowError('store_read_only', undefined, { cause })
    case sqliteCorrupt:
    case sqliteNotADatabase:
      return new AuthFlowError('store_corrupt', undefined, { cause })
    case sqliteNoMemory:
    case sqliteIoError:
    case sqliteCannotOpen:
      return new AuthFlowError('store_unavailable', undefined, { cause })
    case sqliteTooBig:
      return new AuthFlowError('document_too_large', undefined, { cause })
    default:
      return new AuthFlowError('internal', undefined, { cause })
  }
}

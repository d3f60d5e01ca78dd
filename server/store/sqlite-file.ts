// The file of an SQLite database: made for its owner only, set up when it is opened, complete when it is closed.

import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { AuthFlowError } from '../../shared/errors.ts'
import { isCannotOpen, rollBack, toStoreError } from './sqlite-driver.ts'
import type { SqlDatabase } from './sqlite-driver.ts'
import { createBase } from './sqlite-migrate.ts'

const ownerOnly = 0o600

/**
 * Makes the file if there is none. One that is there is not opened: to close it would end the locks that another store of
 * this process has on it (https://sqlite.org/howtocorrupt.html, section 2.2, read on 2026-11-22).
 */
export function prepareFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
    if (!existsSync(path)) return closeSync(openSync(path, 'ax', ownerOnly))
    if (!statSync(path).isDirectory()) return accessSync(path, constants.R_OK | constants.W_OK)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return
    throw readOnly(path, error)
  }
  throw new AuthFlowError('invalid_option', `store: ${path} is a directory; name a file in it.`)
}

/**
 * Brings what is in the log into the file, so that who copies it after a shutdown has all of it. SQLite does so by itself
 * when the last connection is closed, but the package's driver closes only when its statements are collected.
 */
export function completeFile(db: SqlDatabase): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch {
    // The log has it all as well, and the next who opens the file reads it.
  }
}

function readOnly(path: string, cause: unknown): AuthFlowError {
  return new AuthFlowError('store_read_only', `${path} or its directory cannot be written.`, { cause })
}

/** What opening the file failed with, as one of our errors that names the file. */
export function openError(error: unknown, path: string): AuthFlowError {
  const { code, message } = toStoreError(error)
  // The file itself was opened before: what can't be is the log beside it.
  if (isCannotOpen(error)) return readOnly(path, error)
  return new AuthFlowError(code, `${path}: ${message}`, { cause: error })
}

/** Pragmas and the base tables. The first write shows whether the file can be written at all. */
export function configure(db: SqlDatabase, durability: 'full' | 'normal'): void {
  db.exec('PRAGMA busy_timeout = 0')
  // Takes effect in a new file only, and only before WAL.
  db.exec('PRAGMA auto_vacuum = INCREMENTAL')
  db.exec('PRAGMA journal_mode = WAL')
  db.exec(`PRAGMA synchronous = ${durability === 'normal' ? 'NORMAL' : 'FULL'}`)
  db.exec('PRAGMA cache_size = -32000')
  db.exec('PRAGMA temp_store = MEMORY')
  // Checkpoints cost an fsync each; 16 MB of log between them is little to read back after a crash.
  db.exec('PRAGMA wal_autocheckpoint = 4000')
  db.exec('PRAGMA journal_size_limit = 67108864')
  db.exec('BEGIN IMMEDIATE')
  try {
    createBase(db)
    db.exec('COMMIT')
  } catch (error) {
    rollBack(db)
    throw error
  }
}

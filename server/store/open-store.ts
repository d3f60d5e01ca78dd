// From the `store` option to an open store. Drivers are loaded when their kind of store is asked for.

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AuthFlowError } from '../../shared/errors.ts'
import type { CommonOptions } from './options.ts'
import type { SqliteOptions } from './sqlite.ts'
import type { Store } from './store.ts'

/** Options of {@link openStore}. */
export interface OpenStoreOptions extends CommonOptions {
  /** For `sqlite:` URLs. */
  readonly sqlite?: Pick<SqliteOptions, 'durability'>
}

// Kept, because the loader looks at the file system again for every import, and a process that has given up its rights
// since then may no longer read its own code.
const loadSqlite = once(() => import('./sqlite.ts'))
const loadMongo = once(() => import('./mongo.ts'))

const expected = 'expected sqlite:./file.db, mongodb://host/database or mongodb+srv://host/database'

/**
 * Opens the store that the URL names. `sqlite:` takes a path, relative to the working directory; `mongodb:` takes the
 * database from the path (default `authflow`). Call {@link Store.migrate} next.
 *
 * @throws {@link AuthFlowError} `invalid_option` for any other URL, `store_read_only`, `store_busy` (locked by another
 *   process for 5 s), `store_corrupt` (the file is no database), `store_unavailable`, `missing_peer`
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  if (url.startsWith('sqlite:')) {
    const { openSqlite } = await loadSqlite()
    return openSqlite(sqlitePath(url), { ...options, ...options.sqlite })
  }
  if (url.startsWith('mongodb://') || url.startsWith('mongodb+srv://')) {
    const { openMongo } = await loadMongo()
    return openMongo(url, options)
  }
  throw badUrl(expected)
}

/** False for a file that is not there yet, which opening it would make. Whether a database answers is not asked. */
export function storeExists(url: string): boolean {
  if (!url.startsWith('sqlite:')) return true
  try {
    return statSync(sqlitePath(url), { throwIfNoEntry: false }) !== undefined
  } catch {
    // What is wrong with it, opening it will say.
    return true
  }
}

function sqlitePath(url: string): string {
  let path = url.slice('sqlite:'.length)
  // sqlite:///data/app.db is how URLs write an absolute path.
  if (path.startsWith('///')) path = path.slice(2)
  if (path.includes(':memory:')) throw badUrl('a database in memory would be lost; name a file')
  if (path === '' || path.startsWith('//') || path.includes('\0') || path.endsWith('/'))
    throw badUrl(expected)
  return resolve(path)
}

/** The URL itself stays out of the message: it may hold a password. */
function badUrl(reason: string): AuthFlowError {
  return new AuthFlowError('invalid_option', `store: ${reason}.`, { details: { option: 'store' } })
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined
  return () => (loaded ??= load())
}

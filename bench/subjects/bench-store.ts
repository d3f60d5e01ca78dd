// A store of a subject's own, empty at first and gone afterwards: an SQLite file, or a database beside the one that
// TEST_MONGODB_URL names.

import { randomBytes } from 'node:crypto'
import { dropDatabase } from '../../server/fixtures/drop-database.ts'
import { temporaryFolder } from './fixture.ts'

/** A place to store in. */
export interface BenchStore {
  readonly url: string
  /** Deletes it. To be called when everything on it is closed. */
  remove(): Promise<void>
}

/** A new place for the given kind: `sqlite`, or `mongo`, which needs TEST_MONGODB_URL. */
export function createBenchStore(kind: string): BenchStore {
  if (kind === 'sqlite') {
    return { url: `sqlite:${temporaryFolder()}/bench.db`, remove: () => Promise.resolve() }
  }
  const given = process.env['TEST_MONGODB_URL']
  if (kind !== 'mongo' || given === undefined) throw new Error(`no store of kind ${kind}`)
  const url = new URL(given)
  url.pathname = `/authflow_bench_${randomBytes(6).toString('hex')}`
  return {
    url: url.href,
    remove: () => dropDatabase(url.href),
  }
}

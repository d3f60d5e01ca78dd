// The driver's client, with what durability and the codec rely on, whatever the URL says.

import { MongoClient } from 'mongodb'
import { AuthFlowError } from '../../shared/errors.ts'
import { socketTimeoutMs } from './mongo-limit.ts'
import { connectTimeoutMs, heartbeatMs } from './mongo-pulse.ts'

const defaultDatabase = 'authflow'
const majorityTimeoutMs = 10_000

/**
 * A client that has yet to connect.
 *
 * @param busyTimeoutMs how long a command may look for a server
 * @throws {@link AuthFlowError} `invalid_option` (a URL that cannot be understood)
 */
export function createMongoClient(url: string, busyTimeoutMs: number): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'authflow',
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: majorityTimeoutMs },
      readConcern: { level: 'majority' },
      readPreference: 'primary',
      retryWrites: true,
      retryReads: true,
      serverSelectionTimeoutMS: busyTimeoutMs,
      socketTimeoutMS: socketTimeoutMs,
      heartbeatFrequencyMS: heartbeatMs,
      connectTimeoutMS: connectTimeoutMs,
      promoteValues: true,
      promoteBuffers: false,
      ignoreUndefined: false,
      serializeFunctions: false,
    })
  } catch {
    // Without its cause: the driver's message may repeat parts of the URL.
    throw new AuthFlowError('invalid_option', 'store: the MongoDB URL cannot be understood.', {
      details: { option: 'store' },
    })
  }
}

/** The database that a URL names, else `authflow`. */
export function databaseOf(url: string): string {
  const path = /^[^/]*\/\/[^/]*\/([^?]*)/.exec(url)?.[1] ?? ''
  return path === '' ? defaultDatabase : decodeURIComponent(path)
}

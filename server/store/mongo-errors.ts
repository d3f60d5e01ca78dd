// What the MongoDB driver's and server's errors mean.

import { MongoBulkWriteError, MongoError, MongoServerError } from 'mongodb'
import { AuthFlowError } from '../../shared/errors.ts'
import { tooLarge } from './document.ts'

// https://github.com/mongodb/mongo/blob/v7.0/src/mongo/base/error_codes.yml
const duplicateKey = 11000
const tooLargeCodes = new Set([10334, 17280, 17419, 17420])
const busyCodes = new Set([24, 50, 112, 262])
const wrongKindCodes = new Set([14, 16554, 28664, 7157723])
const refusedCodes = new Set([13, 18])
const diskCodes = new Set([14031, 371])

/** True when the id exists. */
export function isDuplicateKey(error: unknown): boolean {
  return error instanceof MongoError && error.code === duplicateKey
}

/** True when the transaction may work when it is run again from its start. */
export function isTransient(error: unknown): boolean {
  return error instanceof MongoError && error.hasErrorLabel('TransientTransactionError')
}

/** True when a commit may or may not have happened; to be repeated until the server says. */
export function isUnknownCommit(error: unknown): boolean {
  return error instanceof MongoError && error.hasErrorLabel('UnknownTransactionCommitResult')
}

/** A server's code as one of our errors. */
export function fromCode(code: number | undefined, cause: unknown): AuthFlowError {
  const known = code ?? 0
  if (tooLargeCodes.has(known)) return tooLarge(cause)
  if (wrongKindCodes.has(known)) {
    return new AuthFlowError(
      'invalid_input',
      'A change adds to a field that is no number, or appends to one that is no array.',
      {
        cause,
      },
    )
  }
  if (busyCodes.has(known)) return new AuthFlowError('store_busy', undefined, { cause })
  if (diskCodes.has(known)) return new AuthFlowError('store_read_only', undefined, { cause })
  if (refusedCodes.has(known)) {
    return new AuthFlowError('store_unavailable', 'MongoDB refuses the user of the store’s URL.', { cause })
  }
  return new AuthFlowError('internal', undefined, { cause })
}

/** Any error of the driver as one of ours. Ours come back unchanged. */
export function toStoreError(cause: unknown): AuthFlowError {
  if (cause instanceof AuthFlowError) return cause
  if (cause instanceof MongoBulkWriteError && cause.result.getWriteConcernError() !== undefined) {
    return new AuthFlowError('store_unavailable', undefined, { cause })
  }
  // A bulk wraps what befell its connection; that has no code of the server.
  if (cause instanceof MongoServerError && typeof cause.code === 'number') {
    if (!cause.hasErrorLabel('RetryableWriteError')) return fromCode(cause.code, cause)
  }
  if (isTooLargeForDriver(cause)) return tooLarge(cause)
  if (cause instanceof MongoError) return new AuthFlowError('store_unavailable', undefined, { cause })
  return new AuthFlowError('internal', undefined, { cause })
}

/** The driver measures before it sends. */
function isTooLargeForDriver(error: unknown): boolean {
  if (error instanceof RangeError && 'code' in error) return error.code === 'ERR_OUT_OF_RANGE'
  return (
    error instanceof MongoError && (error.name === 'MongoInvalidArgumentError' || error.name === 'BSONError')
  )
}

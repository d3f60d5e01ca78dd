// Errors of tasks and runs as they are kept: what a replay needs to throw the same thing again, and nothing that could
// hold a credential.

import { AuthFlowError, isAuthFlowError, isErrorCode, type ErrorDetails } from '../../shared/errors.ts'

const maxMessageLength = 2000
const maxStackLength = 4000

/** An error as it is stored, sealed. */
export interface PackedError {
  readonly name: string
  readonly message: string
  readonly code?: string | number
  readonly status?: number
  readonly stack?: string
  readonly details?: ErrorDetails
}

/** What is left of an error in the store. Secrets given are cut out of its texts. */
export function packError(error: unknown, secrets: readonly string[] = []): PackedError {
  if (!(error instanceof Error)) {
    return {
      name: 'Error',
      message: clean(
        typeof error === 'string' ? error : 'A value that is no Error was thrown.',
        secrets,
        maxMessageLength,
      ),
    }
  }
  const code =
    'code' in error && (typeof error.code === 'string' || typeof error.code === 'number')
      ? error.code
      : undefined
  const status = statusOf(error)
  return {
    name: clean(error.name, secrets, 100),
    message: clean(error.message, secrets, maxMessageLength),
    ...(code === undefined ? {} : { code: typeof code === 'string' ? clean(code, secrets, 100) : code }),
    ...(status === undefined ? {} : { status }),
    ...(isAuthFlowError(error) ? { details: error.details } : {}),
    ...(error.stack === undefined ? {} : { stack: clean(error.stack, secrets, maxStackLength) }),
  }
}

/** The error to throw: the same on the first pass and on every replay. */
export function unpackError(packed: PackedError): Error {
  if (packed.name === 'AuthFlowError' && isErrorCode(packed.code)) {
    return new AuthFlowError(
      packed.code,
      packed.message,
      packed.details === undefined ? {} : { details: packed.details },
    )
  }
  const error = new Error(packed.message)
  error.name = packed.name
  if (packed.stack !== undefined) error.stack = packed.stack
  return Object.assign(
    error,
    packed.code === undefined ? {} : { code: packed.code },
    packed.status === undefined ? {} : { status: packed.status },
  )
}

/** HTTP status that an error of an SDK carries: `status`, `statusCode` or `response.status`. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('statusCode' in error && typeof error.statusCode === 'number') return error.statusCode
  if (isAuthFlowError(error)) return error.details.status
  if ('status' in error && typeof error.status === 'number') return error.status
  if ('response' in error && typeof error.response === 'object' && error.response !== null) {
    const { response } = error
    if ('status' in response && typeof response.status === 'number') return response.status
  }
  return undefined
}

function clean(text: string, secrets: readonly string[], limit: number): string {
  let result = text
  for (const secret of secrets) if (secret !== '') result = result.replaceAll(secret, '[redacted]')
  return result.slice(0, limit).toWellFormed()
}

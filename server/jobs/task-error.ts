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
    ...(error.stack === undefined ? {} : { stack: packStack(error, secrets) }),
  }
}

/** The message may be long: what is cut off is its end, and never where in the code it was thrown. */
function packStack({ name, message, stack = '' }: Error, secrets: readonly string[]): string {
  const begin = stack.indexOf('\n    at ')
  const place = begin < 0 ? '' : clean(stack.slice(begin), secrets, maxStackLength)
  return `${clean(name, secrets, 100)}: ${clean(message, secrets, maxMessageLength)}${place}`
}

/** The error to throw: the same on the first pass and on every replay. */
export function unpackError(packed: PackedError): Error {
  const error = toError(packed)
  if (packed.stack !== undefined) error.stack = packed.stack
  return error
}

function toError({ name, message, code, status, details }: PackedError): Error {
  if (name === 'AuthFlowError' && isErrorCode(code))
    return new AuthFlowError(code, message, details === undefined ? {} : { details })
  const error = new Error(message)
  error.name = name
  return Object.assign(error, code === undefined ? {} : { code }, status === undefined ? {} : { status })
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

/** The text without the secrets, also where they stand in it as JSON has them. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let result = text
  for (const secret of secrets) {
    const quoted = JSON.stringify(secret).slice(1, -1)
    for (const form of new Set([secret, quoted]))
      if (form !== '') result = result.replaceAll(form, '[redacted]')
  }
  return result
}

const clean = (text: string, secrets: readonly string[], limit: number): string =>
  withoutSecrets(text, secrets).slice(0, limit).toWellFormed()

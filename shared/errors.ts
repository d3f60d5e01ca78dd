// The one error class of the library, built from the table of its codes. Both sides use it.

import { errorTable, type ErrorCode } from './error-table.ts'

export { errorTable, type ErrorCode } from './error-table.ts'

/** What went wrong at one field: a stable reason and a text for the person who typed it. */
export interface FieldError {
  /** Name of the field. */
  readonly field: string
  /** `required`, `pattern`, `enum`, `type`, `length`, `rejected`, `host` or `unavailable`. */
  readonly reason: 'required' | 'pattern' | 'enum' | 'type' | 'length' | 'rejected' | 'host' | 'unavailable'
  /** Shown at the field. */
  readonly message: string
}

/** Structured facts of an error. Only the members that its code needs are present. Never holds a secret. */
export interface ErrorDetails {
  /** Errors at single fields, in the order of the form. */
  readonly fields?: readonly FieldError[]
  /** Id of the integration. */
  readonly integration?: string
  /** The host's account id. */
  readonly accountId?: string
  /** Name of the option or environment variable at fault. */
  readonly option?: string
  /** Scopes that are missing. */
  readonly missingScopes?: readonly string[]
  /** Scopes that a flow has to ask for, so that nothing is missing afterwards and nothing is lost. */
  readonly scopes?: readonly string[]
  /** Milliseconds to wait before trying again. */
  readonly retryAfterMs?: number
  /** HTTP status of the provider's answer. */
  readonly status?: number
  /** The provider's own error code, at most 64 characters. */
  readonly providerCode?: string
  /** Why a connection needs to be authorised again. */
  readonly reason?: string
  /** The limit that was exceeded, in bytes or items. */
  readonly limit?: number
}

/** How an error looks on the wire: `data.authflow` of a tRPC error, or the body of a plain route. */
export interface ErrorReply {
  /** Stable; branch on this. */
  readonly code: ErrorCode
  /** For people. */
  readonly message: string
  /** True when the same call may succeed later. */
  readonly retryable: boolean
  /** Structured facts; empty when there are none. */
  readonly details: ErrorDetails
}

/** Details and cause given to {@link AuthFlowError}. */
export interface ErrorOptions {
  readonly details?: ErrorDetails
  readonly cause?: unknown
}

/**
 * The only error that authflow throws on purpose. `code` is stable, `message` is for developers and never holds a
 * secret, a token, a query string or a provider's body.
 */
export class AuthFlowError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'AuthFlowError'
  /** Stable code; branch on this. */
  readonly code: C
  /** HTTP status of the code. */
  readonly status: number
  /** True when the same call may succeed later. */
  readonly retryable: boolean
  /** True when message and details may leave the process. */
  readonly exposed: boolean
  /** Structured facts. */
  readonly details: ErrorDetails

  /**
   * @param code row of the table
   * @param message what happened and what to do (default: the table's text)
   */
  constructor(code: C, message?: string, options: ErrorOptions = {}) {
    super(
      message ?? errorTable[code].help,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    const { status, retryable, exposed } = errorTable[code]
    this.code = code
    this.status = status
    this.retryable = retryable
    this.exposed = exposed
    this.details = options.details ?? {}
  }

  /** The error as it leaves the process: hidden codes become `internal` with its standard text. */
  toReply(): ErrorReply {
    if (!this.exposed) {
      return { code: 'internal', message: errorTable.internal.help, retryable: this.retryable, details: {} }
    }
    return { code: this.code, message: this.message, retryable: this.retryable, details: this.details }
  }
}

/** True for an {@link AuthFlowError}, also one made by another copy of this module. */
export function isAuthFlowError(value: unknown): value is AuthFlowError {
  return (
    value instanceof Error && value.name === 'AuthFlowError' && 'code' in value && isErrorCode(value.code)
  )
}

/** True when the value is a code of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorTable, value)
}

/**
 * Any thrown value as an {@link AuthFlowError}: ours unchanged, anything else as `internal` with the value as cause.
 * For the edges (HTTP, jobs) only.
 */
export function toAuthFlowError(value: unknown): AuthFlowError {
  return isAuthFlowError(value) ? value : new AuthFlowError('internal', undefined, { cause: value })
}

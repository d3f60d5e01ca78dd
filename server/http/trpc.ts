// What the two tRPC routers share: how an error looks when it leaves, and which HTTP status it has. Every error
// carries `data.authflow`, an ErrorReply; no stack, no input, no provider text.

import type { TRPCError, TRPCDefaultErrorShape } from '@trpc/server'
import { TRPC_ERROR_CODES_BY_KEY, type TRPC_ERROR_CODE_KEY } from '@trpc/server/rpc'
import { z } from 'zod'
import {
  AuthFlowError,
  errorTable,
  isAuthFlowError,
  type ErrorCode,
  type ErrorReply,
} from '../../shared/errors.ts'

/** The error of a call as it stands in the response. */
export interface CallErrorShape extends TRPCDefaultErrorShape {
  readonly data: TRPCDefaultErrorShape['data'] & { readonly authflow: ErrorReply }
}

const messageLimit = 300

/** tRPC's name for our status; 410 has none and counts as not found. */
const keyByStatus: Readonly<Record<number, TRPC_ERROR_CODE_KEY>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_SUPPORTED',
  409: 'CONFLICT',
  410: 'NOT_FOUND',
  413: 'PAYLOAD_TOO_LARGE',
  422: 'UNPROCESSABLE_CONTENT',
  429: 'TOO_MANY_REQUESTS',
  501: 'NOT_IMPLEMENTED',
  502: 'BAD_GATEWAY',
  503: 'SERVICE_UNAVAILABLE',
  504: 'GATEWAY_TIMEOUT',
}

/** Our code for what tRPC itself refuses. */
const codeByKey: Partial<Record<TRPC_ERROR_CODE_KEY, ErrorCode>> = {
  BAD_REQUEST: 'invalid_input',
  PARSE_ERROR: 'malformed_json',
  UNSUPPORTED_MEDIA_TYPE: 'invalid_input',
  NOT_FOUND: 'not_found',
  METHOD_NOT_SUPPORTED: 'method_not_allowed',
  PAYLOAD_TOO_LARGE: 'payload_too_large',
}

/** Options of both routers' roots. */
export const rootOptions = {
  isDev: false,
  errorFormatter: ({ error }: { readonly error: TRPCError }): CallErrorShape => toShape(error),
}

/**
 * What went wrong in a call, as one of ours: the thrown {@link AuthFlowError} itself, `invalid_input` naming the field
 * for an input that its schema refuses, `malformed_json`, tRPC's own refusals by their meaning, else `internal`.
 */
export function toCallError(error: TRPCError): AuthFlowError {
  const { cause } = error
  if (isAuthFlowError(cause)) return cause
  const code = codeByKey[error.code]
  // Anything a procedure throws by accident arrives as INTERNAL_SERVER_ERROR, so that below the input is at fault.
  if (!code) return new AuthFlowError('internal', undefined, { cause: cause ?? error })
  if (cause instanceof z.ZodError) return invalidInput(cause)
  if (cause instanceof SyntaxError) return new AuthFlowError('malformed_json')
  if (error.code === 'UNSUPPORTED_MEDIA_TYPE')
    return new AuthFlowError(code, 'Send the input as application/json.')
  return new AuthFlowError(code, cause === undefined ? error.message.slice(0, messageLimit) : undefined)
}

/** The first thing a schema found wrong, with the field's name. Holds no value. */
export function invalidInput(error: z.ZodError): AuthFlowError<'invalid_input'> {
  const issue = error.issues[0]
  const field = issue && issue.path.length > 0 ? issue.path.join('.') : 'input'
  return new AuthFlowError(
    'invalid_input',
    `${field}: ${issue?.message ?? 'has the wrong shape'}`.slice(0, messageLimit),
  )
}

function toShape(error: TRPCError): CallErrorShape {
  const reply = toCallError(error).toReply()
  const { status } = errorTable[reply.code]
  const key = keyByStatus[status] ?? 'INTERNAL_SERVER_ERROR'
  return {
    message: reply.message,
    code: TRPC_ERROR_CODES_BY_KEY[key],
    data: { code: key, httpStatus: status, authflow: reply },
  }
}

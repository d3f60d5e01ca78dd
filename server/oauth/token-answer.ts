// What an OAuth endpoint answered, as members: whatever its form, and whether or not its status tells the truth. An
// answer that says no throws; what the members mean is up to the caller.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { OAuthMethod } from '../integrations/integration.ts'
import type { OAuthEndpoint } from './endpoint.ts'
import {
  isTransientStatus,
  providerCodeOf,
  refusalError,
  retryAfterOf,
  type GrantKind,
} from './token-error.ts'

/** Members of an answer. Nothing about them is certain. */
export type Answer = Readonly<Record<string, unknown>>

/**
 * The members of an answer that says yes. The provider's own normaliser has run for a token request.
 *
 * @throws {@link AuthFlowError} those of {@link refusalError}; `provider_reply_invalid` for what is neither JSON nor a form
 */
export async function readAnswer(
  kind: GrantKind,
  { method }: Pick<OAuthEndpoint, 'method'>,
  response: Response,
): Promise<Answer> {
  const now = Date.now()
  refuseTransient(kind, response, now)
  const normalised = kind === 'authorization_request' ? response : await normaliseByProvider(method, response)
  refuseTransient(kind, normalised, now)
  const answer = parseAnswer(await normalised.text())
  if (!normalised.ok || (answer !== undefined && isRefusal(answer))) {
    const providerCode = answer && errorCodeOf(answer)
    // A normaliser makes a new answer, without the headers of the provider's own.
    const retryAfterMs = retryAfterOf(response.headers, now)
    throw refusalError(kind, {
      status: normalised.status,
      ...(providerCode === undefined ? {} : { providerCode }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }
  if (answer) return answer
  throw new AuthFlowError('provider_reply_invalid', 'The provider’s answer is neither JSON nor a form.')
}

/** A member of nested answers by a path with dots; undefined where there is none. */
export function memberAt(answer: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), answer)
}

const isObject = (value: unknown): value is Answer =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function refuseTransient(kind: GrantKind, response: Response, now: number): void {
  if (!isTransientStatus(response.status)) return
  const retryAfterMs = retryAfterOf(response.headers, now)
  throw refusalError(kind, {
    status: response.status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

async function normaliseByProvider(method: OAuthMethod, response: Response): Promise<Response> {
  if (!method.normaliseTokenResponse) return response
  try {
    return await method.normaliseTokenResponse(response)
  } catch (error) {
    if (isAuthFlowError(error)) throw error
    throw new AuthFlowError(
      'provider_reply_invalid',
      'The token answer has not the form that the provider documents.',
    )
  }
}

/**
 * Content types lie both ways, so the text decides: an object in JSON, or a form that begins with a name. A byte order
 * mark is gone already, because reading the body as text drops it.
 */
function parseAnswer(text: string): Answer | undefined {
  const trimmed = text.trim()
  if (/^[A-Za-z_][\w.-]*=/.test(trimmed)) return Object.fromEntries(new URLSearchParams(trimmed))
  try {
    const value: unknown = JSON.parse(trimmed)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** A status of 200 proves nothing: `{"ok":false}`, or an error in any of the shapes that providers use. */
function isRefusal(answer: Answer): boolean {
  const { ok, success, error, errors } = answer
  if (ok === false || success === false) return true
  if (typeof error === 'string') return error !== ''
  return isObject(error) || (Array.isArray(errors) && errors.length > 0)
}

/** Where providers put their error code beside `error`, in the order in which they are believed. */
const codePaths = ['error.code', 'error.type', 'error.status', 'error_code', 'errorCode', 'code', 'errcode']
/** Words and numbers. What else stands in such a member may be the authorization code that was sent. */
const wordOrNumber = /^(?:\d{1,9}|[A-Za-z0-9]{1,8}|[A-Za-z]{1,24}(?:[_.:-][A-Za-z0-9]{1,16}){0,6})$/

function errorCodeOf(answer: Answer): string | undefined {
  const named = providerCodeOf(answer['error'])
  if (named !== undefined) return named
  const [first] = Array.isArray(answer['errors']) ? answer['errors'] : []
  const candidates = [
    ...codePaths.map((path) => memberAt(answer, path)),
    ...['code', 'error', 'type'].map((path) => memberAt(first, path)),
    first,
  ]
  for (const candidate of candidates) {
    const code = providerCodeOf(typeof candidate === 'number' ? String(candidate) : candidate)
    if (code !== undefined && wordOrNumber.test(code)) return code
  }
  return undefined
}

// One JSON request to a provider, with coded errors: what identity checks, revocation and integrations without an SDK
// use. Everything goes through the guarded fetch it is given.

import type { z } from 'zod'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { Complainant } from './checked-options.ts'
import { failureError, retryAfterMs } from './provider-failure.ts'

/** What {@link requestJson} sends. */
export interface JsonRequest {
  /** (default `GET`, or `POST` with a body) */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as a form, in the place of `body`. */
  readonly form?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** An answer with status below 300. */
export interface JsonReply {
  readonly status: number
  readonly headers: Headers
  /** Undefined when the body was empty or no JSON. */
  readonly body: unknown
}

const timeoutMs = 30_000
const maxBytes = 4 * 1024 * 1024

/**
 * Sends a request and reads the JSON answer.
 *
 * @throws {@link AuthFlowError} `rate_limited` with `retryAfterMs` if the provider said so, `provider_unavailable`,
 *   `provider_rejected` with the status, `blocked_host`, `provider_reply_invalid`
 */
export async function requestJson(
  of: Complainant,
  fetch: GuardedFetch,
  url: string,
  request: JsonRequest = {},
): Promise<JsonReply> {
  const { headers = {}, signal } = request
  const sent = bodyOf(request)
  const response = await fetch(url, {
    method: request.method ?? (sent === undefined ? 'GET' : 'POST'),
    headers: {
      accept: 'application/json',
      ...(sent === undefined ? {} : { 'content-type': sent.type }),
      ...headers,
    },
    timeoutMs,
    maxBytes,
    ...(sent === undefined ? {} : { body: sent.text }),
    ...(signal === undefined ? {} : { signal }),
  })
  if (response.ok)
    return { status: response.status, headers: response.headers, body: parse(await response.text()) }
  throw failureError(of, {
    status: response.status,
    rateLimited: response.status === 429,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
  })
}

function bodyOf({ body, form }: JsonRequest): { readonly type: string; readonly text: string } | undefined {
  if (form !== undefined) {
    return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(form).toString() }
  }
  return body === undefined ? undefined : { type: 'application/json', text: JSON.stringify(body) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The value in the shape that the API documents. Throws `provider_reply_invalid`. */
export function readAs<Schema extends z.ZodType>(
  of: Complainant,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw failureError(of, { garbled: true })
}

/**
 * Runs a check of credentials; a 401 means that they are not accepted.
 *
 * @param field field to which the error belongs; undefined for a token the user never saw
 * @throws {@link AuthFlowError} `credentials_rejected`; other errors as they come
 */
export async function checkingCredentials<T>(
  of: Complainant,
  check: () => Promise<T>,
  field?: string,
): Promise<T> {
  try {
    return await check()
  } catch (error) {
    if (!isAuthFlowError(error) || error.code !== 'provider_rejected' || error.details.status !== 401)
      throw error
    const message = `${of.name} does not accept it. Check that it was copied whole and has not been revoked.`
    const fields = field === undefined ? {} : { fields: [{ field, reason: 'rejected', message } as const] }
    throw new AuthFlowError('credentials_rejected', `${of.name} does not accept the credentials.`, {
      details: { integration: of.id, ...fields },
    })
  }
}

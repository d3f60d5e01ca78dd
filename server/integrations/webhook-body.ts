// What the sources of several providers need alike: reading a body that was believed, and the secret to call with.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { Json } from '../jobs/job.ts'
import type { Complainant } from './checked-options.ts'

/** The body as JSON. Throws `invalid_input`. */
export function jsonOf(rawBody: Uint8Array): Json {
  try {
    return JSON.parse(Buffer.from(rawBody).toString('utf8')) as Json
  } catch (cause) {
    throw new AuthFlowError('invalid_input', 'The delivery is not JSON.', { cause })
  }
}

/** The account's token or key. Throws `not_connected` where there is none. */
export function bearerOf(self: Complainant, auth: Auth | undefined, own?: string): string {
  const given = auth?.type === 'oauth2' ? auth.accessToken : auth?.type === 'apiKey' ? auth.apiKey : undefined
  const token = own ?? given
  if (token !== undefined) return token
  throw new AuthFlowError('not_connected', undefined, { details: { integration: self.id } })
}

/** True for the error of a request about something that is not there. */
export const isMissing = (error: unknown): boolean =>
  isAuthFlowError(error) && error.code === 'provider_rejected' && error.details.status === 404

/** Seconds since 1970 as some providers sign them; undefined for anything else. */
export function secondsOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined
}

/** True when the instant is not more than so many seconds away, in either direction. */
export const isNear = (seconds: number, now: number, within: number): boolean =>
  Math.abs(now / 1000 - seconds) <= within

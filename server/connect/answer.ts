// The provider's answer and the trip that it belongs to. It comes in the query of a GET, or is posted (OAuth 2.0 Form Post
// Response Mode): a POST from another site brings no SameSite cookie, so it can't be told whose browser sent it. A posted
// answer is therefore kept sealed, and the browser sent to fetch the outcome by a GET, which has the cookie.

import { AuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import { redirectUriOf } from '../oauth/authorize.ts'
import { findOAuthMethod, type ConnectContext } from './context.ts'
import { matchesDigest, sha256 } from './digest.ts'
import type { AuthorizationRecord } from './records.ts'
import { secretBox } from './secrets.ts'
import { authorizationSet } from './sets.ts'

const statePattern = /^[A-Za-z0-9_-]{43}$/
/** Query parameter of the GET that follows a POST. Holds the trip's id and a handle. */
const handleParameter = 'authflow_answer'
const handlePattern = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/

/** A request at a callback address, whichever method it has. */
export interface AnswerRequest {
  /** Integration of the path. */
  readonly integration: string
  /** Hash of the issuer of the path, where there is one. */
  readonly issuer?: string | undefined
  readonly params: URLSearchParams
}

/** The provider's answer and the trip it is about. */
export interface Answer {
  readonly trip: AuthorizationRecord
  readonly params: URLSearchParams
}

/** True when the request names neither a trip nor an answer: nobody began anything here. */
export const isUnasked = ({ params }: AnswerRequest): boolean =>
  params.getAll('state').every((state) => state === '') && !params.has(handleParameter)

/**
 * What the provider answered: in the query, or in a POST before. Says nothing about whose browser it is.
 *
 * @throws {@link AuthFlowError} `state_invalid`, `unreadable_ciphertext`
 */
export async function findAnswer(context: ConnectContext, { params }: AnswerRequest): Promise<Answer> {
  const handles = params.getAll(handleParameter)
  if (handles.length === 0) return { trip: await findTrip(context, params), params }
  const [, tripId, handle = ''] = (handles.length === 1 && handlePattern.exec(handles[0] ?? '')) || []
  const trip = tripId === undefined ? undefined : await context.store.get(authorizationSet, tripId)
  if (!trip || !matchesDigest(handle, trip.handleHash ?? '')) throw new AuthFlowError('state_invalid')
  return { trip, params: openAnswer(context, trip) ?? new URLSearchParams() }
}

/**
 * Keeps a posted answer and gives the URL at which the browser gets the outcome. The handle in it is good for one use of
 * the answer. A repeated POST (a reload) replaces both as long as the answer was not used.
 *
 * @throws {@link AuthFlowError} `state_invalid`, also for a method that does not ask for posted answers
 */
export async function keepPostedAnswer(context: ConnectContext, request: AnswerRequest): Promise<string> {
  const trip = await findTrip(context, request.params)
  const method = findOAuthMethod(context.integration(trip.integration))
  if (method?.responseMode !== 'form_post') throw new AuthFlowError('state_invalid')
  const handle = randomText(43)
  const { consumedAt } = trip
  const kept = {
    handleHash: sha256(handle),
    // Of one that was used only the outcome is left to be shown.
    ...(consumedAt === null ? { parked: sealAnswer(context, trip, request.params) } : {}),
  }
  const done = await context.store.update(authorizationSet, trip.id, { consumedAt }, { set: kept })
  if (!done) throw new AuthFlowError('state_invalid')
  const url = new URL(redirectUriOf(context.baseUrl, request.integration, request.issuer))
  url.searchParams.set(handleParameter, `${trip.id}.${handle}`)
  return url.href
}

/** The parameters of an answer, sealed for its trip. */
export function sealAnswer(
  { vault }: ConnectContext,
  trip: AuthorizationRecord,
  params: URLSearchParams,
): string | null {
  return secretBox(vault, 'authorization').seal(trip, { parked: params.toString() })['parked'] ?? null
}

/** The sealed answer of a trip, if it has one. Throws `unreadable_ciphertext`. */
export function openAnswer(
  { vault }: ConnectContext,
  trip: AuthorizationRecord,
): URLSearchParams | undefined {
  const { parked } = trip
  if (typeof parked !== 'string') return undefined
  return new URLSearchParams(secretBox(vault, 'authorization').open(trip, { parked }, 'parked'))
}

/** The trip of the one `state` among the parameters. */
async function findTrip({ store }: ConnectContext, params: URLSearchParams): Promise<AuthorizationRecord> {
  const [state = '', ...others] = params.getAll('state')
  if (others.length > 0 || !statePattern.test(state)) throw new AuthFlowError('state_invalid')
  const trip = await store.get(authorizationSet, sha256(state))
  if (!trip) throw new AuthFlowError('state_invalid')
  return trip
}

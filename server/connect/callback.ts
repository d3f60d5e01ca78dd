// The provider's redirect. The code is exchanged only for a `state` that is used once, in the browser that began, at the
// callback it was sent to, and with the issuer it was sent to.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import { redirectUriOf } from '../oauth/authorize.ts'
import { judgeIssuer } from '../oauth/issuer.ts'
import { providerCodeOf } from '../oauth/token-error.ts'
import { updateStep } from '../store/store.ts'
import { findAnswer, type Answer, type AnswerRequest } from './answer.ts'
import { completeFlow } from './complete.ts'
import { parkForConfirmation } from './confirm.ts'
import type { CallbackOutcome } from './connect.ts'
import { findOAuthMethod, methodAt } from './context.ts'
import { matchesDigest } from './digest.ts'
import { failure, providerRefusal } from './flow.ts'
import { flowCookieName } from './flow-cookie.ts'
import type { WaitingParts } from './flow-parts.ts'
import { flowSecrets } from './flow-secrets.ts'
import { busyLimitMs } from './flow-store.ts'
import { obtainGrant } from './obtain-grant.ts'
import { callbackOutcome } from './outcome.ts'
import type { AuthorizationRecord, FlowRecord } from './records.ts'
import { authorizationSet, flowSet } from './sets.ts'

/** The GET at a callback address. */
export interface CallbackRequest extends AnswerRequest {
  /** Value of a cookie by name. */
  readonly cookie: (name: string) => string | undefined
}

/**
 * Finishes the flow that the `state` belongs to and says how it ended. A repeated callback of the same browser gets the
 * outcome of the first.
 *
 * @throws {@link AuthFlowError} only when no flow can be told: `state_invalid`, `browser_mismatch`, `flow_not_found`;
 *   `rate_limited` when too many wait for the outcome of one callback
 */
export async function finishCallback(
  parts: WaitingParts,
  request: CallbackRequest,
): Promise<CallbackOutcome> {
  const answer = await findAnswer(parts.context, request)
  requireBrowser(parts, request, answer.trip)
  const flow = await consume(parts, answer.trip)
  if (flow) await settle(parts, { flow, request, ...answer })
  return callbackOutcome(parts, answer.trip)
}

/** Throws unless this is the browser that began the trip, and in time. */
function requireBrowser(
  { context }: WaitingParts,
  request: CallbackRequest,
  trip: AuthorizationRecord,
): void {
  const cookie = request.cookie(flowCookieName(context.baseUrl, trip.flowId))
  if (!matchesDigest(cookie ?? '', trip.cookieHash)) throw new AuthFlowError('browser_mismatch')
  const late = trip.consumedAt === null && trip.endsAt <= context.store.now()
  if (late) throw new AuthFlowError('state_invalid')
}

/**
 * Takes the `state` and moves the flow on in one write: of any number of callbacks one gets the flow. Not if values were
 * submitted since the trip began: they may name another server, which must get neither the code nor the client's secret.
 */
async function consume(
  { context, flows }: WaitingParts,
  trip: AuthorizationRecord,
): Promise<FlowRecord | undefined> {
  const now = context.store.now()
  const verify = { stage: 'verify' as const, busyUntil: now + busyLimitMs }
  const taken = await context.store.transact([
    updateStep(authorizationSet, trip.id, { consumedAt: null }, { set: { consumedAt: now, parked: null } }),
    updateStep(flowSet, trip.flowId, { stage: 'authorize', version: trip.flowVersion }, { set: verify }),
  ])
  if (!taken) return undefined
  flows.changed(trip.flowId)
  const flow = await flows.find(trip.flowId)
  return flow?.stage === 'verify' ? flow : undefined
}

interface Callback extends Answer {
  readonly flow: FlowRecord
  readonly request: CallbackRequest
}

/** Ends the flow, one way or the other, or parks the answer. Never throws for anything that belongs to the flow. */
async function settle(parts: WaitingParts, callback: Callback): Promise<void> {
  const { context, flows } = parts
  const { flow, trip, params } = callback
  try {
    const { method, fields } = judgeCallback(parts, callback)
    const refusal = params.get('error')
    if (refusal !== null) {
      await flows.tryMove(flow, providerRefusal(providerCodeOf(refusal)))
      return
    }
    method.checkCallback?.(params, { fields, clientSecret: method.client.clientSecret })
    if (flow.confirmation) await parkForConfirmation(parts, { flow, trip, params })
    else await completeFlow(parts, flow, await obtainGrant(parts, { flow, trip, params }))
  } catch (error) {
    const code = isAuthFlowError(error) ? error.code : 'internal'
    const facts = { code, flowId: flow.id, integration: flow.integration }
    if (code === 'internal') context.log.error({ ...facts, err: error }, 'a callback failed')
    else context.log.info(facts, 'a flow ended without a connection')
    await flows.tryMove(flow, failure(error))
  }
}

/**
 * Throws `callback_mismatch` or `issuer_mismatch` for an answer that was meant for, or comes from, somebody else. The
 * address must be the very one that the request named: it tells integrations apart, and authorization servers where the
 * user chooses one.
 */
function judgeCallback(
  { context }: WaitingParts,
  { flow, trip, params, request }: Callback,
): { readonly method: OAuth2Method; readonly fields: Readonly<Record<string, string>> } {
  const address = redirectUriOf(context.baseUrl, request.integration, request.issuer)
  if (address !== trip.redirectUri) throw new AuthFlowError('callback_mismatch')
  const declared = findOAuthMethod(context.integration(flow.integration))
  if (!declared) throw new AuthFlowError('callback_mismatch')
  const fields = { ...flow.values, ...flowSecrets(context, flow) }
  judgeIssuer(declared, fields, params)
  return { method: methodAt(declared, fields), fields }
}

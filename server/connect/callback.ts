// The provider's redirect. The code is exchanged only for a `state` that is used once, in the browser that began, at the
// integration it began with, and with the issuer it was sent to.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { isFinalStage, returnParameter } from '../../shared/flow.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import { exchangeCode } from '../oauth/exchange.ts'
import { providerCodeOf } from '../oauth/token-error.ts'
import { updateStep } from '../store/store.ts'
import { completeFlow } from './complete.ts'
import type { CallbackOutcome } from './connect.ts'
import { findOAuthMethod } from './context.ts'
import { matchesDigest, sha256 } from './digest.ts'
import { failure, providerRefusal } from './flow.ts'
import { flowCookieName } from './flow-cookie.ts'
import type { WaitingParts } from './flow-parts.ts'
import { flowSecrets, verifierOf } from './flow-secrets.ts'
import { busyLimitMs } from './flow-store.ts'
import { identify, oauthGrant, type Grant } from './grant.ts'
import type { AuthorizationRecord, FlowRecord } from './records.ts'
import { authorizationSet, flowSet } from './sets.ts'

/** How long a repeated callback waits for the first one, in ms. */
const outcomeWaitMs = 25_000
/** A change between reading and waiting is seen this much later, in ms. */
const lookAgainMs = 250
const statePattern = /^[A-Za-z0-9_-]{43}$/

/** The request at the callback address. */
export interface CallbackRequest {
  /** Integration of the path. */
  readonly integration: string
  readonly params: URLSearchParams
  /** Value of a cookie by name. */
  readonly cookie: (name: string) => string | undefined
}

/**
 * Finishes the flow that the `state` belongs to and says how it ended. A repeated callback of the same browser gets the
 * outcome of the first.
 *
 * @throws {@link AuthFlowError} only when no flow can be told: `state_invalid`, `browser_mismatch`, `flow_not_found`
 */
export async function finishCallback(
  parts: WaitingParts,
  request: CallbackRequest,
): Promise<CallbackOutcome> {
  const trip = await findTrip(parts, request)
  const flow = await consume(parts, trip)
  if (flow) await settle(parts, { flow, trip, request })
  return outcomeOf(parts, trip, await endedFlow(parts, trip.flowId))
}

/** The trip of the `state`, if this is the browser that began it. */
async function findTrip({ context }: WaitingParts, request: CallbackRequest): Promise<AuthorizationRecord> {
  const [state = '', ...others] = request.params.getAll('state')
  if (others.length > 0 || !statePattern.test(state)) throw new AuthFlowError('state_invalid')
  const trip = await context.store.get(authorizationSet, sha256(state))
  if (!trip) throw new AuthFlowError('state_invalid')
  const cookie = request.cookie(flowCookieName(context.baseUrl, trip.flowId))
  if (!matchesDigest(cookie ?? '', trip.cookieHash)) throw new AuthFlowError('browser_mismatch')
  const late = trip.consumedAt === null && trip.endsAt <= context.store.now()
  if (late) throw new AuthFlowError('state_invalid')
  return trip
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
    updateStep(authorizationSet, trip.id, { consumedAt: null }, { set: { consumedAt: now } }),
    updateStep(flowSet, trip.flowId, { stage: 'authorize', version: trip.flowVersion }, { set: verify }),
  ])
  if (!taken) return undefined
  flows.changed(trip.flowId)
  const flow = await flows.find(trip.flowId)
  return flow?.stage === 'verify' ? flow : undefined
}

interface Callback {
  readonly flow: FlowRecord
  readonly trip: AuthorizationRecord
  readonly request: CallbackRequest
}

/** Ends the flow, one way or the other. Never throws for anything that belongs to the flow. */
async function settle(parts: WaitingParts, callback: Callback): Promise<void> {
  const { context, flows } = parts
  const { flow, request } = callback
  try {
    const method = judgeCallback(parts, callback)
    const refusal = request.params.get('error')
    if (refusal !== null) {
      await flows.tryMove(flow, providerRefusal(providerCodeOf(refusal)))
      return
    }
    await completeFlow(parts, flow, await obtainGrant(parts, callback, method))
  } catch (error) {
    const code = isAuthFlowError(error) ? error.code : 'internal'
    const facts = { code, flowId: flow.id, integration: flow.integration }
    if (code === 'internal') context.log.error({ ...facts, err: error }, 'a callback failed')
    else context.log.info(facts, 'a flow ended without a connection')
    await flows.tryMove(flow, failure(error))
  }
}

/** Throws `callback_mismatch` or `issuer_mismatch` for an answer that was meant for, or comes from, somebody else. */
function judgeCallback({ context }: WaitingParts, { flow, request }: Callback): OAuth2Method {
  if (request.integration !== flow.integration) throw new AuthFlowError('callback_mismatch')
  const method = findOAuthMethod(context.integration(flow.integration))
  if (!method) throw new AuthFlowError('callback_mismatch')
  const issuers = request.params.getAll('iss')
  const expected = method.issuer?.({ ...flow.values, ...flowSecrets(context, flow) })
  const missing = issuers.length === 0 && method.issuerRequired === true
  const foreign = expected !== undefined && issuers.some((issuer) => issuer !== expected)
  if (missing || foreign || issuers.length > 1) throw new AuthFlowError('issuer_mismatch')
  return method
}

async function obtainGrant(parts: WaitingParts, callback: Callback, method: OAuth2Method): Promise<Grant> {
  const { context } = parts
  const { flow, trip, request } = callback
  const values = { open: flow.values, secret: flowSecrets(context, flow) }
  const fields = { ...values.open, ...values.secret }
  method.checkCallback?.(request.params, { fields, clientSecret: method.client.clientSecret })
  const codeVerifier = verifierOf(context, trip)
  const tokens = await exchangeCode(
    { method, fields, fetch: context.fetch },
    {
      params: request.params,
      redirectUri: trip.redirectUri,
      ...(codeVerifier === undefined ? {} : { codeVerifier }),
    },
  )
  const now = context.store.now()
  const identified = await identify(() => method.identify(tokens, { fetch: context.fetch, fields }))
  return oauthGrant(tokens, identified, { values, askedFor: trip.scopes, now })
}

/** The flow once it is over; the first of several callbacks may still be at work. */
async function endedFlow({ flows, hub }: WaitingParts, id: string): Promise<FlowRecord> {
  const until = performance.now() + outcomeWaitMs
  for (;;) {
    const flow = await flows.find(id)
    if (!flow) throw new AuthFlowError('flow_not_found')
    const leftMs = until - performance.now()
    if (isFinalStage(flow.stage) || leftMs <= 0 || hub.closed) return flow
    // The flow went back to its form, or waits for the callback of a later trip.
    if (flow.stage !== 'verify') throw new AuthFlowError('state_invalid')
    await hub.wait([flow], Math.min(leftMs, lookAgainMs))
  }
}

function outcomeOf({ context }: WaitingParts, trip: AuthorizationRecord, flow: FlowRecord): CallbackOutcome {
  const result = flow.stage === 'done' || flow.stage === 'cancelled' ? flow.stage : 'failed'
  const errorCode = flow.error?.code ?? (result === 'failed' ? 'provider_unavailable' : undefined)
  return {
    flowId: flow.id,
    integration: flow.integration,
    integrationName: context.integration(flow.integration).name,
    mode: trip.mode,
    ...(trip.returnUrl === null ? {} : { returnUrl: withFlow(trip.returnUrl, flow.id) }),
    ...(trip.locale === null ? {} : { locale: trip.locale }),
    result,
    ...(errorCode === undefined ? {} : { errorCode }),
  }
}

function withFlow(returnUrl: string, flowId: string): string {
  const url = new URL(returnUrl)
  url.searchParams.set(returnParameter, flowId)
  return url.href
}

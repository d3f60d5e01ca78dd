// Flows that a link began: the link may have been opened by anybody, so the code waits, sealed, until the host's backend
// says from its own session that the account is the one that the link was made for. Only then it is exchanged.

import type { Connection } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { isFinalStage } from '../../shared/flow.ts'
import { checkAccountId, flowIdPattern } from '../../shared/ids.ts'
import { updateStep } from '../store/store.ts'
import { openAnswer, sealAnswer } from './answer.ts'
import { completeFlow } from './complete.ts'
import type { ConfirmRequest } from './connect.ts'
import { failure } from './flow.ts'
import type { FinishParts, FlowParts } from './flow-parts.ts'
import { busyLimitMs } from './flow-store.ts'
import { obtainGrant, type JudgedAnswer } from './obtain-grant.ts'
import type { AuthorizationRecord, Confirmation, FlowRecord } from './records.ts'
import { authorizationSet, flowSet, tokenSet } from './sets.ts'

/** How long the host has for confirming, from the callback on, in ms. */
const confirmWithinMs = 60_000
const maxActorLength = 256

/**
 * Parks a judged answer and lets the flow wait for its host.
 *
 * @throws {@link AuthFlowError} `flow_conflict` when the flow moved on meanwhile
 */
export async function parkForConfirmation(
  { context, flows }: FlowParts,
  { flow, trip, params }: JudgedAnswer,
): Promise<void> {
  const by = context.store.now() + confirmWithinMs
  const waiting = { confirmation: { tripId: trip.id, by }, busyUntil: null }
  const written = await context.store.transact([
    updateStep(authorizationSet, trip.id, {}, { set: { parked: sealAnswer(context, trip, params) } }),
    updateStep(flowSet, flow.id, { version: flow.version, stage: 'verify' }, { set: waiting }),
  ])
  if (!written) throw new AuthFlowError('flow_conflict')
  flows.changed(flow.id)
}

/**
 * Exchanges the parked code, if the account is the one that the link was made for. Another account ends the flow: its
 * link was opened by somebody else. A flow that failed at the provider fails here with the same error.
 *
 * @throws {@link AuthFlowError} `flow_not_found`, `account_mismatch`, `confirmation_expired`, `flow_ended` (confirmed
 *   before), `flow_conflict` (the user is not back yet, or another call confirms), `token_revoked`, `access_denied`,
 *   `invalid_input`, and those of the exchange and of keeping the connection
 */
export async function confirmFlow(parts: FinishParts, request: ConfirmRequest): Promise<Connection> {
  const actor = judgeActor(request.actor)
  const accountId = checkAccountId(request.accountId)
  const flow = flowIdPattern.test(request.flowId) ? await parts.flows.find(request.flowId) : undefined
  if (!flow?.confirmation) throw new AuthFlowError('flow_not_found')
  if (flow.accountId !== accountId) throw await endMisled(parts, flow, flow.confirmation)
  await requireLiveLink(parts, flow)
  const answer = await takeAnswer(parts, flow, actor)
  try {
    const done = await completeFlow(parts, answer.flow, await obtainGrant(parts, answer))
    if (done.connection) return done.connection
    throw new AuthFlowError('flow_conflict')
  } catch (error) {
    await parts.flows.tryMove(answer.flow, failure(error))
    const code = isAuthFlowError(error) ? error.code : 'internal'
    parts.context.log.info(
      { code, flowId: flow.id, integration: flow.integration },
      'a confirmed flow failed',
    )
    throw error
  }
}

/** A link that was revoked while its user was at the provider gets no token any more. */
async function requireLiveLink({ context, flows }: FlowParts, flow: FlowRecord): Promise<void> {
  const link = await context.store.get(tokenSet, flow.tokenId)
  if (typeof link?.revokedAt !== 'number') return
  const error = new AuthFlowError('token_revoked')
  if (!isFinalStage(flow.stage)) await flows.tryMove(flow, failure(error))
  throw error
}

/** Takes the parked answer out of the store, once, and puts the host's user into the flow as who acts. */
async function takeAnswer(
  { context, flows }: FlowParts,
  flow: FlowRecord,
  actor: string | undefined,
): Promise<JudgedAnswer> {
  requireWaiting(flow)
  const { tripId } = flow.confirmation
  const trip = await context.store.get(authorizationSet, tripId)
  const params = trip && openAnswer(context, trip)
  if (!trip || !params) throw new AuthFlowError('flow_conflict')
  const set = {
    confirmation: { tripId, by: null },
    busyUntil: context.store.now() + busyLimitMs,
    ...(actor === undefined ? {} : { actor }),
  }
  const taken = await context.store.transact([
    updateStep(flowSet, flow.id, { version: flow.version, stage: 'verify' }, { set }),
    forgetStep(trip),
  ])
  const moved = taken ? await flows.find(flow.id) : undefined
  if (moved?.stage !== 'verify') throw new AuthFlowError('flow_conflict')
  flows.changed(flow.id)
  return { flow: moved, trip, params }
}

const forgetStep = ({ id }: Pick<AuthorizationRecord, 'id'>) =>
  updateStep(authorizationSet, id, {}, { set: { parked: null } })

function requireWaiting(
  flow: FlowRecord,
): asserts flow is FlowRecord & { readonly confirmation: Confirmation } {
  if (flow.stage === 'done') throw new AuthFlowError('flow_ended')
  const { error, confirmation } = flow
  if (error) throw new AuthFlowError(error.code, error.message, { details: error.details })
  if (isFinalStage(flow.stage)) throw new AuthFlowError('flow_ended')
  if (flow.stage !== 'verify' || !confirmation || confirmation.by === null) {
    throw new AuthFlowError('flow_conflict', 'The flow does not wait for a confirmation.')
  }
}

/** Ends a flow that another account was made to finish; what it would have connected is thrown away. */
async function endMisled(
  { context, flows }: FlowParts,
  flow: FlowRecord,
  { tripId }: Confirmation,
): Promise<AuthFlowError> {
  const error = new AuthFlowError('account_mismatch', 'The flow was begun for another account.')
  if (!isFinalStage(flow.stage)) await flows.tryMove(flow, failure(error))
  await context.store.transact([forgetStep({ id: tripId })])
  const { id: flowId, integration } = flow
  context.log.warn({ flowId, integration }, 'a flow was confirmed for another account than it was begun for')
  return error
}

/** Throws `invalid_input` for an empty or a very long one. */
export function judgeActor(actor: string | undefined): string | undefined {
  const valid =
    actor === undefined || (actor !== '' && actor.length <= maxActorLength && actor.isWellFormed())
  if (valid) return actor
  throw new AuthFlowError('invalid_input', `actor must be a text of at most ${maxActorLength} characters.`)
}

// What a callback has to tell the browser: how the flow ended, also when another callback of it is still at work.

import { AuthFlowError } from '../../shared/errors.ts'
import { isFinalStage, returnParameter } from '../../shared/flow.ts'
import type { CallbackOutcome } from './connect.ts'
import type { WaitingParts } from './flow-parts.ts'
import type { AuthorizationRecord, FlowRecord } from './records.ts'

/** How long a repeated callback waits for the first one, in ms. */
const outcomeWaitMs = 25_000
/** A change between reading and waiting is seen this much later, in ms. */
const lookAgainMs = 250
/** When to try again after too many waited, in ms. */
const tryAgainMs = 2_000

/**
 * The outcome of the trip's flow once there is one.
 *
 * @throws {@link AuthFlowError} `state_invalid` (the flow is not at this trip any more), `flow_not_found`,
 *   `rate_limited` when as many wait for it as may
 */
export async function callbackOutcome(
  parts: WaitingParts,
  trip: AuthorizationRecord,
): Promise<CallbackOutcome> {
  const flow = await readFlow(parts, trip)
  return outcomeOf(parts, trip, isDecided(flow) ? flow : await waitDecided(parts, trip))
}

async function readFlow({ flows }: WaitingParts, { flowId }: AuthorizationRecord): Promise<FlowRecord> {
  const flow = await flows.find(flowId)
  if (!flow) throw new AuthFlowError('flow_not_found')
  // The flow went back to its form, or waits for the callback of a later trip.
  if (!isDecided(flow) && flow.stage !== 'verify') throw new AuthFlowError('state_invalid')
  return flow
}

/** True when nothing more is to come from this trip. */
const isDecided = (flow: FlowRecord): boolean =>
  isFinalStage(flow.stage) || flow.stage === 'configure' || awaitsHost(flow)

const awaitsHost = (flow: FlowRecord): boolean => (flow.confirmation?.by ?? null) !== null

/** Only so many wait for one trip: a repeated callback costs its sender nothing, and us a connection. */
async function waitDecided(parts: WaitingParts, trip: AuthorizationRecord): Promise<FlowRecord> {
  const { hub } = parts
  const giveBack = hub.hold(`callback ${trip.id}`)
  if (!giveBack) {
    throw new AuthFlowError('rate_limited', 'This is being worked on already. Look again in a moment.', {
      details: { retryAfterMs: tryAgainMs },
    })
  }
  try {
    const until = performance.now() + outcomeWaitMs
    for (;;) {
      const flow = await readFlow(parts, trip)
      const leftMs = until - performance.now()
      if (isDecided(flow) || leftMs <= 0 || hub.closed) return flow
      await hub.wait([flow], Math.min(leftMs, lookAgainMs))
    }
  } finally {
    giveBack()
  }
}

function outcomeOf({ context }: WaitingParts, trip: AuthorizationRecord, flow: FlowRecord): CallbackOutcome {
  const result = resultOf(flow)
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

function resultOf(flow: FlowRecord): CallbackOutcome['result'] {
  if (flow.stage === 'done' || flow.stage === 'cancelled' || flow.stage === 'configure') return flow.stage
  return awaitsHost(flow) && !isFinalStage(flow.stage) ? 'confirm' : 'failed'
}

function withFlow(returnUrl: string, flowId: string): string {
  const url = new URL(returnUrl)
  url.searchParams.set(returnParameter, flowId)
  return url.href
}

// The rules of a flow that need no store: where it begins, who may act in it, and what an error does to it.

import { AuthFlowError, toAuthFlowError } from '../../shared/errors.ts'
import { isFinalStage, type FlowStage } from '../../shared/flow.ts'
import type { Connectable } from './context.ts'
import type { FlowMove } from './flow-store.ts'
import type { FlowRecord, TokenRecord } from './records.ts'

/** Codes by which providers tell that the person said no (RFC 6749 section 4.1.2.1 and relatives). */
const denials = new Set(['access_denied', 'user_denied', 'user_cancelled', 'consent_declined'])

/** Where a new flow begins, and with which method when there is only one. */
export function firstStage({ methods }: Connectable): Pick<FlowRecord, 'stage' | 'method'> {
  const [only, ...others] = methods
  if (!only || others.length > 0) return { stage: 'choose', method: null }
  const asks = only.id !== 'oauth2' || (only.fields?.form.length ?? 0) > 0
  return { stage: asks ? 'fields' : 'authorize', method: only.id }
}

/** True when the token is of the flow's account and for its integration: then it may read the flow. */
export function covers(token: TokenRecord, flow: FlowRecord): boolean {
  return token.accountId === flow.accountId && token.integrations.includes(flow.integration)
}

/**
 * The flow, if the token may act in it.
 *
 * @throws {@link AuthFlowError} `flow_not_found`, also for flows of others; `purpose_not_allowed`
 */
export function requireOwnFlow(token: TokenRecord, flow: FlowRecord | undefined): FlowRecord {
  if (!flow || !covers(token, flow)) throw new AuthFlowError('flow_not_found')
  if (token.purpose !== flow.purpose) {
    throw new AuthFlowError('purpose_not_allowed', `The flow began with purpose ${flow.purpose}.`)
  }
  return flow
}

/** Throws `flow_expired` or `flow_ended` when the flow is over, `flow_conflict` when it is in none of the stages. */
export function requireStage(flow: FlowRecord, stages: readonly FlowStage[]): void {
  if (stages.includes(flow.stage)) return
  if (!isFinalStage(flow.stage)) throw new AuthFlowError('flow_conflict')
  throw new AuthFlowError(flow.error?.code === 'flow_expired' ? 'flow_expired' : 'flow_ended')
}

/** The move that ends a flow because of an error. */
export function failure(error: unknown): FlowMove {
  return { stage: 'failed', error: toAuthFlowError(error).toReply() }
}

/** The move for an error that the provider told in the callback: a denial cancels, anything else fails. */
export function providerRefusal(providerCode: string | undefined): FlowMove {
  const details = providerCode === undefined ? {} : { providerCode }
  if (providerCode !== undefined && denials.has(providerCode)) {
    return { stage: 'cancelled', error: new AuthFlowError('access_denied', undefined, { details }).toReply() }
  }
  const told = providerCode === undefined ? 'an error' : `the error ${providerCode}`
  return failure(new AuthFlowError('provider_error', `The provider answered with ${told}.`, { details }))
}

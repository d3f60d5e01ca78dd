// The POST that sends the browser to the provider. It judges the page by its origin and binds the browser by a cookie.

import { AuthFlowError } from '../../shared/errors.ts'
import type { StartForm } from '../../shared/flow.ts'
import { updateStep } from '../store/store.ts'
import { withEarlierScopes } from './asked-scopes.ts'
import type { FlowCookie } from './connect.ts'
import { findOAuthMethod } from './context.ts'
import { requireOwnFlow, requireStage } from './flow.ts'
import { flowCookie } from './flow-cookie.ts'
import type { FlowParts } from './flow-parts.ts'
import type { TokenRecord } from './records.ts'
import { flowSet } from './sets.ts'
import { judgeScopes, planTrip } from './trip.ts'

/**
 * Where to send the browser, and the cookie that binds it.
 *
 * @throws {@link AuthFlowError} those of {@link Tokens.check}; `flow_not_found`, `flow_ended`, `flow_expired`,
 *   `flow_conflict` (not at `authorize`), `scopes_not_allowed`, `return_url_not_allowed`, `insecure_endpoint`,
 *   `client_misconfigured`, `invalid_input`, `rate_limited`
 */
export async function startFlow(
  { context, tokens, flows }: FlowParts,
  request: {
    readonly form: StartForm
    readonly origin: string | undefined
    readonly cookieNames: readonly string[]
  },
): Promise<{ location: string; cookie: FlowCookie }> {
  const { form, origin, cookieNames } = request
  const token = await tokens.check({ token: form.token, origin }, { purposes: ['create', 'reconnect'] })
  const flow = requireOwnFlow(token, await flows.find(form.flow))
  requireStage(flow, ['authorize'])
  const method = findOAuthMethod(context.integration(flow.integration))
  if (!method) throw new AuthFlowError('flow_conflict')
  const returnUrl = judgeReturnUrl(form, token)
  const asked = [...new Set(form.scopes?.split(/\s+/).filter((scope) => scope !== ''))]
  const trip = await planTrip(context, {
    flow,
    // The write that adds the trip moves the flow on by one.
    flowVersion: flow.version + 1,
    method,
    scopes: await withEarlierScopes(context, flow, { scopes: judgeScopes(asked, token, method), token }),
    mode: form.mode,
    locale: form.locale ?? null,
    returnUrl,
  })
  const written = await context.store.transact([
    trip.step,
    updateStep(
      flowSet,
      flow.id,
      { version: flow.version },
      { set: { tokenId: token.id, locale: flow.locale ?? form.locale ?? null } },
    ),
  ])
  if (!written) throw new AuthFlowError('flow_conflict')
  flows.changed(flow.id)
  const cookie = flowCookie(context.baseUrl, { id: flow.id, value: trip.cookie }, cookieNames)
  return { location: trip.location, cookie }
}

function judgeReturnUrl(form: StartForm, token: TokenRecord): string | null {
  if (form.mode !== 'popup' && form.mode !== 'redirect') {
    throw new AuthFlowError('invalid_input', 'mode must be popup or redirect.')
  }
  if (form.mode === 'popup') return null
  const { return_url: url } = form
  if (url === undefined || !token.returnUrls.includes(url)) throw new AuthFlowError('return_url_not_allowed')
  return url
}

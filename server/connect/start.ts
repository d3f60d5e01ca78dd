// The POST that sends the browser to the provider. It judges the page by its origin, binds the browser by a cookie, and
// makes the `state` that the provider brings back.

import { AuthFlowError } from '../../shared/errors.ts'
import type { StartForm } from '../../shared/flow.ts'
import { randomText } from '../../shared/ids.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import { checkUrl, isLoopbackHost } from '../net/url-guard.ts'
import { authorizationUrl, createPkce, redirectUriOf, type Pkce } from '../oauth/authorize.ts'
import { insertStep, updateStep, type NewDocument } from '../store/store.ts'
import type { FlowCookie } from './connect.ts'
import { findOAuthMethod, type ConnectContext } from './context.ts'
import { sha256 } from './digest.ts'
import { requireOwnFlow, requireStage } from './flow.ts'
import { authorizationLifetimeMs, flowCookie } from './flow-cookie.ts'
import type { FlowParts } from './flow-parts.ts'
import { flowSecrets } from './flow-secrets.ts'
import type { AuthorizationRecord, FlowRecord, TokenRecord } from './records.ts'
import { secretBox } from './secrets.ts'
import { authorizationSet, flowSet } from './sets.ts'

/** How long a callback that is repeated can still be told its outcome, in ms. */
const outcomeLifetimeMs = 10 * 60_000
/** A language tag (RFC 5646); anything else is dropped. */
const localePattern = /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}$/

/** Random values of one trip: `state` goes to the provider, the cookie stays in the browser. */
interface Trip {
  readonly state: string
  readonly cookie: string
  readonly pkce: Pkce | undefined
  readonly scopes: readonly string[]
}

/**
 * Where to send the browser, and the cookie that binds it.
 *
 * @throws {@link AuthFlowError} those of {@link Tokens.check}; `flow_not_found`, `flow_ended`, `flow_expired`,
 *   `flow_conflict` (not at `authorize`), `scopes_not_allowed`, `return_url_not_allowed`, `insecure_endpoint`,
 *   `invalid_input`
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
  const scopes = judgeScopes(form, token, method)

  const trip: Trip = { state: randomText(43), cookie: randomText(43), pkce: await createPkce(method), scopes }
  const record = authorizationOf(context, { flow, trip, form, returnUrl })
  const location = locationOf(context, { method, flow, trip, redirectUri: record.redirectUri })
  const written = await context.store.transact([
    insertStep(authorizationSet, record),
    updateStep(flowSet, flow.id, { version: flow.version }, { set: { tokenId: token.id } }),
  ])
  if (!written) throw new AuthFlowError('flow_conflict')
  flows.changed(flow.id)
  return { location, cookie: flowCookie(context.baseUrl, { id: flow.id, value: trip.cookie }, cookieNames) }
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

/** Those asked for, else the integration's own as far as the token allows them. */
function judgeScopes(form: StartForm, token: TokenRecord, method: OAuth2Method): readonly string[] {
  const allowed = token.scopes ?? method.client.scopes
  const asked = [...new Set(form.scopes?.split(/\s+/).filter((scope) => scope !== ''))]
  const excess = asked.filter((scope) => !allowed.includes(scope))
  if (excess.length > 0) throw new AuthFlowError('scopes_not_allowed')
  if (asked.length > 0) return asked
  const usual = method.client.scopes.filter((scope) => allowed.includes(scope))
  return usual.length > 0 ? usual : allowed
}

function authorizationOf(
  context: ConnectContext,
  start: {
    readonly flow: FlowRecord
    readonly trip: Trip
    readonly form: StartForm
    readonly returnUrl: string | null
  },
): NewDocument<AuthorizationRecord> {
  const { flow, trip, form, returnUrl } = start
  const { integration, accountId } = flow
  const id = sha256(trip.state)
  const endsAt = context.store.now() + authorizationLifetimeMs
  const sealed = trip.pkce
    ? secretBox(context.vault, 'authorization').seal(
        { id, integration, accountId },
        { verifier: trip.pkce.verifier },
      )
    : {}
  return {
    id,
    flowId: flow.id,
    // The write that adds this record moves the flow on by one.
    flowVersion: flow.version + 1,
    accountId,
    integration,
    cookieHash: sha256(trip.cookie),
    verifier: sealed['verifier'] ?? null,
    redirectUri: redirectUriOf(context.baseUrl, integration),
    scopes: trip.scopes,
    mode: form.mode,
    locale: form.locale !== undefined && localePattern.test(form.locale) ? form.locale : null,
    returnUrl,
    consumedAt: null,
    endsAt,
    expireAt: endsAt + outcomeLifetimeMs,
  }
}

function locationOf(
  context: ConnectContext,
  start: {
    readonly method: OAuth2Method
    readonly flow: FlowRecord
    readonly trip: Trip
    readonly redirectUri: string
  },
): string {
  const { method, flow, trip, redirectUri } = start
  const url = authorizationUrl({
    method,
    fields: { ...flow.values, ...flowSecrets(context, flow) },
    scopes: trip.scopes,
    state: trip.state,
    redirectUri,
    ...(trip.pkce ? { codeChallenge: trip.pkce.challenge } : {}),
  })
  try {
    return checkUrl(url, isLoopbackHost(context.baseUrl.hostname)).href
  } catch (error) {
    throw new AuthFlowError('insecure_endpoint', undefined, {
      cause: error,
      details: { integration: flow.integration },
    })
  }
}

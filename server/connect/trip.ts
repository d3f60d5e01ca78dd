// One trip to the provider: the random values that bind its answer, the record of them, and the URL to send the browser
// to. Who may begin a trip is judged by start.ts and link.ts.

import { AuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import { checkUrl, isLoopbackHost } from '../net/url-guard.ts'
import { createPkce, issuerHash, redirectUriOf } from '../oauth/authorize.ts'
import { authorizationLocation } from '../oauth/pushed-authorization.ts'
import { insertStep, type NewDocument, type Step } from '../store/store.ts'
import { methodAt, type ConnectContext } from './context.ts'
import { sha256 } from './digest.ts'
import { authorizationLifetimeMs } from './flow-cookie.ts'
import { flowSecrets } from './flow-secrets.ts'
import type { AuthorizationRecord, FlowRecord, TokenRecord } from './records.ts'
import { secretBox } from './secrets.ts'
import { authorizationSet } from './sets.ts'

/** How long a callback that is repeated can still be told its outcome, in ms. */
const outcomeLifetimeMs = 10 * 60_000
/** A language tag (RFC 5646); anything else is dropped. */
const localePattern = /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}$/

/** What a trip is planned from. */
export interface TripPlan {
  readonly flow: Pick<FlowRecord, 'id' | 'integration' | 'accountId' | 'values' | 'secrets'>
  /** The flow's version once the trip is written. */
  readonly flowVersion: number
  readonly method: OAuth2Method
  readonly scopes: readonly string[]
  readonly mode: AuthorizationRecord['mode']
  readonly locale: string | null
  readonly returnUrl: string | null
}

/** A trip that is ready: nothing is written yet. */
export interface PlannedTrip {
  readonly id: string
  /** Writes the record. */
  readonly step: Step
  /** Where to send the browser. */
  readonly location: string
  /** Value of the cookie that stays in the browser. */
  readonly cookie: string
}

/**
 * Makes `state`, cookie and PKCE at random and the URL from them.
 *
 * @throws {@link AuthFlowError} `insecure_endpoint`, `client_misconfigured` (no app at this authorization server), and
 *   those of a pushed request
 */
export async function planTrip(context: ConnectContext, plan: TripPlan): Promise<PlannedTrip> {
  const { flow, scopes } = plan
  // Before anything is asked of the provider or written.
  await context.admitStart?.(flow.accountId)
  const fields = { ...flow.values, ...flowSecrets(context, flow) }
  const method = methodAt(plan.method, fields)
  const [state, cookie] = [randomText(43), randomText(43)]
  const pkce = await createPkce(method)
  const redirectUri = redirectUriOf(
    context.baseUrl,
    flow.integration,
    method.appAt ? issuerHash(method.issuer?.(fields) ?? '') : undefined,
  )
  const url = await authorizationLocation(
    { method, fields, fetch: context.fetch },
    { scopes, state, redirectUri, ...(pkce ? { codeChallenge: pkce.challenge } : {}) },
  )
  const record = recordOf(context, plan, { state, cookie, verifier: pkce?.verifier, redirectUri })
  return {
    id: record.id,
    step: insertStep(authorizationSet, record),
    location: judgeLocation(context, url, flow.integration),
    cookie,
  }
}

function recordOf(
  context: ConnectContext,
  { flow, flowVersion, scopes, mode, locale, returnUrl }: TripPlan,
  made: {
    readonly state: string
    readonly cookie: string
    readonly verifier: string | undefined
    readonly redirectUri: string
  },
): NewDocument<AuthorizationRecord> {
  const { integration, accountId } = flow
  const id = sha256(made.state)
  const endsAt = context.store.now() + authorizationLifetimeMs
  const { verifier } = made
  const box = secretBox(context.vault, 'authorization')
  const sealed = verifier === undefined ? {} : box.seal({ id, integration, accountId }, { verifier })
  return {
    id,
    flowId: flow.id,
    flowVersion,
    accountId,
    integration,
    cookieHash: sha256(made.cookie),
    verifier: sealed['verifier'] ?? null,
    redirectUri: made.redirectUri,
    scopes,
    mode,
    locale: locale !== null && localePattern.test(locale) ? locale : null,
    returnUrl,
    consumedAt: null,
    endsAt,
    expireAt: endsAt + outcomeLifetimeMs,
  }
}

function judgeLocation({ baseUrl }: ConnectContext, url: URL, integration: string): string {
  try {
    return checkUrl(url, isLoopbackHost(baseUrl.hostname)).href
  } catch (error) {
    throw new AuthFlowError('insecure_endpoint', undefined, { cause: error, details: { integration } })
  }
}

/**
 * Those asked for, else the integration's own as far as the token allows them.
 *
 * @throws {@link AuthFlowError} `scopes_not_allowed` for more than the token allows
 */
export function judgeScopes(
  asked: readonly string[],
  token: Pick<TokenRecord, 'scopes'>,
  method: OAuth2Method,
): readonly string[] {
  const allowed = token.scopes ?? method.client.scopes
  const excess = asked.filter((scope) => !allowed.includes(scope))
  if (excess.length > 0) throw new AuthFlowError('scopes_not_allowed')
  if (asked.length > 0) return asked
  const usual = method.client.scopes.filter((scope) => allowed.includes(scope))
  return usual.length > 0 ? usual : allowed
}

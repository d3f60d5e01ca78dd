// Links by which an account connects without a page of the host: in a mail, or from a native app. A link opens a landing
// page that changes nothing, so programs that look at links don't spend it; its button begins a flow that the host's
// backend has to confirm (confirm.ts). A link is a connect token of its own kind: good for nothing else.

import { AuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { createFlowId } from '../../shared/ids.ts'
import { insertStep, updateStep, type NewDocument } from '../store/store.ts'
import { newFlow, requireStartable } from './begin.ts'
import { withEarlierScopes } from './asked-scopes.ts'
import type { ConnectLink, ConnectLinkRequest, FlowCookie, LinkView } from './connect.ts'
import { findOAuthMethod, serverUrl, type ConnectContext } from './context.ts'
import { sha256 } from './digest.ts'
import { flowCookie } from './flow-cookie.ts'
import type { FlowParts } from './flow-parts.ts'
import { judgeLinkLife, keepToken } from './keep-token.ts'
import { judgeValues } from './submit.ts'
import type { FlowRecord, LinkFacts, TokenRecord } from './records.ts'
import { flowSet, tokenSet } from './sets.ts'
import { judgeTokenRequest } from './token-request.ts'
import { judgeScopes, planTrip, type PlannedTrip } from './trip.ts'

const tokenPattern = /^ctk_ln_[A-Za-z0-9_-]{43}$/
const usualLifeMs = 24 * 3_600_000

type LinkRecord = TokenRecord & { readonly link: LinkFacts }

/**
 * Mints a link.
 *
 * @param mintedBy id of the secret key
 * @throws {@link AuthFlowError} `invalid_input`, `unknown_integration`, `not_supported` (no OAuth, or a secret among the
 *   values), `invalid_fields`
 */
export async function createLink(
  context: ConnectContext,
  request: ConnectLinkRequest,
  mintedBy: string,
): Promise<ConnectLink> {
  const { integration, returnUrl, values = {}, locale = null, lifetimeMs = usualLifeMs } = request
  const { accountId, purpose = 'create', scopes, actor } = request
  if (purpose !== 'create' && purpose !== 'reconnect') throw invalid('purpose must be create or reconnect.')
  judgeLinkLife(lifetimeMs)
  const grant = judgeTokenRequest(context, {
    accountId,
    integrations: [integration],
    // Only the landing page of this server may press the button.
    origins: [context.baseUrl.origin],
    returnUrls: [returnUrl],
    purpose,
    ...(scopes === undefined ? {} : { scopes }),
    ...(actor === undefined ? {} : { actor }),
  })
  const link = { returnUrl, locale, values: openValues(context, integration, values), openedAt: null }
  const kept = await keepToken(context, { prefix: 'ctk_ln', grant, lifetimeMs, mintedBy, link })
  return { url: `${serverUrl(context)}/connect/link/${kept.token}`, expiresAt: kept.expiresAt }
}

/** The values of the method's fields, which nobody can type in on the way. */
function openValues(
  context: ConnectContext,
  integration: string,
  given: Readonly<Record<string, string>>,
): LinkFacts['values'] {
  const method = findOAuthMethod(context.integration(integration))
  if (!method)
    throw new AuthFlowError('not_supported', `${integration} has no method oauth2, which links use.`)
  if (method.fields?.form.some(({ secret }) => secret)) {
    throw new AuthFlowError(
      'not_supported',
      `${integration} asks for a secret first, which no link can hold.`,
    )
  }
  const { values, errors } = judgeValues(method, given)
  if (errors.length === 0) return values
  throw new AuthFlowError('invalid_fields', undefined, { details: { fields: errors, integration } })
}

/**
 * What the landing page shows. Changes nothing.
 *
 * @throws {@link AuthFlowError} `link_invalid`, `link_expired`, `link_used`
 */
export async function describeLink(context: ConnectContext, token: string): Promise<LinkView> {
  const { integrations, link } = await findLink(context, token)
  const { id, name } = context.integration(integrations[0] ?? '')
  const { returnUrl, locale } = link
  return {
    integration: id,
    integrationName: name,
    host: new URL(returnUrl).host,
    ...(locale === null ? {} : { locale }),
  }
}

/**
 * The button of the landing page: spends the link, begins its flow and binds the browser.
 *
 * @throws {@link AuthFlowError} those of {@link describeLink}; `origin_missing`, `origin_opaque`, `origin_mismatch`,
 *   `already_connected`, `not_connected`, `scopes_not_allowed`, `insecure_endpoint`, `client_misconfigured`
 */
export async function openLink(
  { context, flows }: FlowParts,
  request: {
    readonly token: string
    readonly origin: string | undefined
    readonly cookieNames: readonly string[]
  },
): Promise<{ location: string; cookie: FlowCookie; locale?: string }> {
  const record = await findLink(context, request.token)
  requireOwnPage(context, request.origin)
  const { link, integrations } = record
  await requireStartable(context, record, integrations[0] ?? '')
  const { flow, trip } = await planFlow(context, record)
  const written = await context.store.transact([
    updateStep(
      tokenSet,
      record.id,
      { version: record.version },
      { set: { link: { ...link, openedAt: flow.createdAt } } },
    ),
    insertStep(flowSet, flow),
    trip.step,
  ])
  if (!written) throw new AuthFlowError('link_used')
  flows.changed(flow.id)
  return {
    location: trip.location,
    cookie: flowCookie(context.baseUrl, { id: flow.id, value: trip.cookie }, request.cookieNames),
    ...(link.locale === null ? {} : { locale: link.locale }),
  }
}

/** The link's flow, which begins at the provider's door, and its one trip. */
async function planFlow(
  context: ConnectContext,
  record: LinkRecord,
): Promise<{ flow: NewDocument<FlowRecord>; trip: PlannedTrip }> {
  const { link, integrations } = record
  const integration = context.integration(integrations[0] ?? '')
  const method = findOAuthMethod(integration)
  if (!method) throw new AuthFlowError('not_supported')
  const begun = newFlow(createFlowId(), record, {
    stage: 'authorize',
    method: 'oauth2',
    integration: integration.id,
    now: context.store.now(),
  })
  const flow = { ...begun, values: link.values }
  const trip = await planTrip(context, {
    flow,
    flowVersion: 1,
    method,
    scopes: await withEarlierScopes(context, flow, {
      scopes: judgeScopes([], record, method),
      token: record,
    }),
    mode: 'redirect',
    locale: link.locale,
    returnUrl: link.returnUrl,
  })
  return { flow: { ...flow, confirmation: { tripId: trip.id, by: null } }, trip }
}

async function findLink({ store }: ConnectContext, token: string): Promise<LinkRecord> {
  const record = tokenPattern.test(token) ? await store.get(tokenSet, sha256(token)) : undefined
  if (!record || !isLink(record)) throw new AuthFlowError('link_invalid')
  const dead = deathOf(record, store.now())
  if (dead) throw new AuthFlowError(dead)
  return record
}

const isLink = (record: TokenRecord): record is LinkRecord => record.link !== undefined

function deathOf({ link, spentAt, revokedAt, expiresAt }: LinkRecord, now: number): ErrorCode | undefined {
  if (typeof revokedAt === 'number') return 'link_invalid'
  if (link.openedAt !== null || spentAt !== null) return 'link_used'
  return expiresAt <= now ? 'link_expired' : undefined
}

/** Throws `origin_missing`, `origin_opaque` or `origin_mismatch` for what no page of this server sent. */
export function requireOwnPage({ baseUrl }: ConnectContext, origin: string | undefined): void {
  if (origin === undefined || origin === '') throw new AuthFlowError('origin_missing')
  if (origin === 'null') throw new AuthFlowError('origin_opaque')
  if (origin !== baseUrl.origin) throw new AuthFlowError('origin_mismatch')
}

const invalid = (message: string): AuthFlowError => new AuthFlowError('invalid_input', message)

// Turns the code of a judged answer into a grant: the exchange, and the provider's word on whose it is.

import { AuthFlowError } from '../../shared/errors.ts'
import type { MethodId } from '../../shared/flow.ts'
import type { TokenSet } from '../integrations/integration.ts'
import { exchangeCode } from '../oauth/exchange.ts'
import { connectionIdOf } from './connection-id.ts'
import { findOAuthMethod, methodAt } from './context.ts'
import type { FinishParts } from './flow-parts.ts'
import { flowSecrets, verifierOf } from './flow-secrets.ts'
import { identify, oauthGrant, type Grant, type GrantValues } from './grant.ts'
import type { AuthorizationRecord, FlowRecord } from './records.ts'
import { fieldSecrets, tokenSecrets } from './secrets.ts'

/** An answer that was judged: state, browser, address and issuer fit. */
export interface JudgedAnswer {
  readonly flow: FlowRecord
  readonly trip: AuthorizationRecord
  readonly params: URLSearchParams
}

/**
 * Exchanges the code. Tokens whose owner can't be told are given up at the provider: nothing of ours would ever end
 * them.
 *
 * @throws {@link AuthFlowError} those of the exchange, and of the provider's hook that says whose the tokens are
 */
export async function obtainGrant(parts: FinishParts, { flow, trip, params }: JudgedAnswer): Promise<Grant> {
  const { context } = parts
  const declared = findOAuthMethod(context.integration(flow.integration))
  if (!declared) throw new AuthFlowError('callback_mismatch')
  const values = { open: flow.values, secret: flowSecrets(context, flow) }
  const fields = { ...values.open, ...values.secret }
  const method = methodAt(declared, fields)
  const codeVerifier = verifierOf(context, trip)
  const tokens = await exchangeCode(
    { method, fields, fetch: context.fetch },
    {
      params,
      redirectUri: trip.redirectUri,
      ...(codeVerifier === undefined ? {} : { codeVerifier }),
    },
  )
  const now = context.store.now()
  try {
    const identified = await identify(() => method.identify(tokens, { fetch: context.fetch, fields }))
    return oauthGrant(tokens, identified, { values, askedFor: trip.scopes, now })
  } catch (error) {
    await giveUpTokens(parts, flow, { tokens, values, scopes: tokens.scopes ?? trip.scopes })
    throw error
  }
}

/** Tokens that no connection will hold. */
export interface UnclaimedTokens {
  readonly tokens: TokenSet
  readonly values: GrantValues
  readonly scopes: readonly string[]
  /** The method they came by (default `oauth2`). */
  readonly via?: MethodId
}

/** Has unclaimed tokens ended at the provider. Whether that works does not change the outcome: it never throws. */
export async function giveUpTokens(
  { context, teardowns }: FinishParts,
  flow: FlowRecord,
  { tokens, values, scopes, via = 'oauth2' }: UnclaimedTokens,
): Promise<void> {
  const { integration, accountId } = flow
  const connectionId = connectionIdOf(integration, accountId)
  const secrets = { ...tokenSecrets(tokens), ...fieldSecrets(values.secret) }
  try {
    // Nobody can say yet whose they are, so neither whether another connection lives on the same grant.
    await teardowns.abandon({
      connectionId,
      integration,
      accountId,
      identityKey: null,
      fields: values.open,
      scopes,
      secrets,
      via,
    })
  } catch (error) {
    context.log.warn({ err: error, integration, connectionId }, 'unclaimed tokens could not be given up')
  }
}

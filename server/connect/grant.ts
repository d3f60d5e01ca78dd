// What a finished authorization or a verified key amounts to, before it is kept.

import type { Auth, Identity } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { MethodId } from '../../shared/flow.ts'
import type { Identified, TokenSet } from '../integrations/integration.ts'
import { endOf } from './refresh-state.ts'
import { fieldSecrets, tokenSecrets } from './secrets.ts'

/** Credentials with the account they belong to, verified at the provider and kept nowhere yet. */
export interface Grant {
  readonly method: Auth['type']
  /** The method that it came by, which renews and ends it. */
  readonly via: MethodId
  /** Plaintext by field name; lives as long as the call. */
  readonly secrets: Readonly<Record<string, string>>
  readonly issuedAt: number
  readonly expiresAt: number | null
  /** Granted. */
  readonly scopes: readonly string[]
  /** Asked for; null where nobody asks. */
  readonly requested: readonly string[] | null
  readonly fields: Readonly<Record<string, string>>
  readonly identity: Identity
}

/** Form values of the flow, apart. */
export interface GrantValues {
  readonly open: Readonly<Record<string, string>>
  readonly secret: Readonly<Record<string, string>>
}

const maxIdLength = 256
const maxLabelLength = 512

/**
 * Asks a provider's hook who the credentials belong to.
 *
 * @throws {@link AuthFlowError} what the hook throws on purpose; `provider_reply_invalid` when it trips over the
 *   provider's answer or names nobody
 */
export async function identify(ask: () => Promise<Identified>): Promise<Identified> {
  let identified: Identified
  try {
    identified = await ask()
  } catch (error) {
    if (isAuthFlowError(error)) throw error
    throw new AuthFlowError('provider_reply_invalid', undefined, { cause: error })
  }
  const { id, label, place } = identified.identity
  const named = typeof id === 'string' && id !== '' && id.length <= maxIdLength
  if (!named)
    throw new AuthFlowError(
      'provider_reply_invalid',
      'The provider does not say whose credentials these are.',
    )
  const identity: Identity = {
    id,
    label: (label || id).slice(0, maxLabelLength),
    ...(place ? { place: place.slice(0, maxLabelLength) } : {}),
  }
  return { ...identified, identity }
}

/** The grant of tokens. Where nobody tells the scopes, those asked for were granted (RFC 6749 section 5.1). */
export function oauthGrant(
  tokens: TokenSet,
  identified: Identified,
  flow: {
    readonly values: GrantValues
    readonly askedFor: readonly string[]
    readonly now: number
    readonly via?: MethodId
  },
): Grant {
  return {
    method: 'oauth2',
    via: flow.via ?? 'oauth2',
    secrets: { ...tokenSecrets(tokens), ...fieldSecrets(flow.values.secret) },
    issuedAt: flow.now,
    expiresAt: endOf(tokens, flow.now),
    scopes: tokens.scopes ?? identified.scopes ?? flow.askedFor,
    requested: flow.askedFor,
    fields: { ...flow.values.open, ...identified.fields },
    identity: identified.identity,
  }
}

/** The grant of verified form values. */
export function keyGrant(
  method: 'apiKey' | 'basic',
  identified: Identified,
  flow: { readonly values: GrantValues; readonly now: number },
): Grant {
  return {
    method,
    via: method,
    secrets: fieldSecrets(flow.values.secret),
    issuedAt: flow.now,
    expiresAt: null,
    scopes: identified.scopes ?? [],
    requested: null,
    fields: { ...flow.values.open, ...identified.fields },
    identity: identified.identity,
  }
}

// Connect tokens: minting them, and judging the bearer of one at every call. Only digests are stored; a token is looked
// up by its digest, so the lookup tells nothing about tokens that are close.

import { AuthFlowError } from '../../shared/errors.ts'
import { connectTokenPattern } from '../../shared/ids.ts'
import type { ConnectPurpose, ConnectTokenReply, ConnectTokenRequest } from '../../shared/flow.ts'
import type { TokenCaller } from './connect.ts'
import type { ConnectContext } from './context.ts'
import { sha256 } from './digest.ts'
import { keepToken } from './keep-token.ts'
import type { TokenRecord } from './records.ts'
import { refusal } from './refusal.ts'
import { tokenSet } from './sets.ts'
import { judgeTokenRequest } from './token-request.ts'

/** How long a token works, in ms. */
const lifetimeMs = 15 * 60_000

/** How many flows a token begins unless it is minted for another number: a user who tries again and again. */
const defaultUses = 20

/** The same for every guess, as it says nothing of any; making one anew was a fifth of what a guess costs. */
const wrongToken = Object.freeze(refusal('token_invalid'))

/** A token that was presented from an allowed origin, alive or not. */
export interface PresentedToken {
  readonly record: TokenRecord
  /** Why it no longer works: `token_expired` or `token_spent`. */
  readonly dead?: AuthFlowError
}

/** What a call needs of its token. */
export interface TokenNeeds {
  readonly purposes: readonly ConnectPurpose[]
  readonly integration?: string
}

/** Mints and judges connect tokens. */
export interface Tokens {
  /** Mints a token. `mintedBy` is the secret key's id. Throws `invalid_input`, `unknown_integration`. */
  create(request: ConnectTokenRequest, mintedBy: string): Promise<ConnectTokenReply>
  /** True when the token is known and the origin is one of its own. Never throws. */
  allowsOrigin(caller: TokenCaller): Promise<boolean>
  /**
   * The token, also an expired or spent one.
   *
   * @throws {@link AuthFlowError} `unauthenticated`, `token_invalid`, `origin_missing`, `origin_opaque`,
   *   `origin_mismatch`, `token_revoked`
   */
  present(caller: TokenCaller): Promise<PresentedToken>
  /**
   * The token, if it is alive and good for the call.
   *
   * @throws {@link AuthFlowError} those of `present`; `token_expired`, `token_spent`, `purpose_not_allowed`,
   *   `integration_not_allowed`
   */
  check(caller: TokenCaller, needs: TokenNeeds): Promise<TokenRecord>
  /** Counts a flow that is about to begin. Throws `token_spent` when there were enough, `token_revoked`. */
  use(record: TokenRecord): Promise<void>
}

/** The tokens of one connect service. */
export function createTokens(context: ConnectContext): Tokens {
  const present = (caller: TokenCaller): Promise<PresentedToken> => presentToken(context, caller)
  return {
    present,
    create: (request, mintedBy) => createToken(context, request, mintedBy),
    async allowsOrigin({ token, origin }) {
      try {
        const record = await findToken(context, token)
        return record !== undefined && origin !== undefined && record.origins.includes(origin)
      } catch {
        return false
      }
    },
    async check(caller, needs) {
      const { record, dead } = await present(caller)
      if (dead) throw dead
      requirePurpose(record, needs.purposes)
      if (needs.integration !== undefined) requireIntegration(record, needs.integration)
      return record
    },
    use: (record) => countUse(context, record),
  }
}

async function createToken(
  context: ConnectContext,
  request: ConnectTokenRequest,
  mintedBy: string,
): Promise<ConnectTokenReply> {
  const { maxFlows = defaultUses } = request
  const grant = judgeTokenRequest(context, request)
  const uses = { uses: 0, usesMax: maxFlows }
  return keepToken(context, { prefix: 'ctk_ct', grant, lifetimeMs, mintedBy, ...uses })
}

async function findToken(
  context: ConnectContext,
  token: string | undefined,
): Promise<TokenRecord | undefined> {
  if (token === undefined || !connectTokenPattern.test(token)) return undefined
  return context.store.get(tokenSet, sha256(token))
}

async function presentToken(
  context: ConnectContext,
  { token, origin, guesses }: TokenCaller,
): Promise<PresentedToken> {
  if (token === undefined || token === '') throw new AuthFlowError('unauthenticated')
  guesses?.before()
  const record = await findToken(context, token)
  if (!record) {
    guesses?.wrong()
    throw wrongToken
  }
  if (origin === undefined || origin === '') throw new AuthFlowError('origin_missing')
  if (origin === 'null') throw new AuthFlowError('origin_opaque')
  if (!record.origins.includes(origin)) throw new AuthFlowError('origin_mismatch')
  // Unlike one that has come to its end by itself, it does not even read the flow that it began.
  if (isRevoked(record)) throw new AuthFlowError('token_revoked')
  if (record.spentAt !== null) return { record, dead: new AuthFlowError('token_spent') }
  if (record.expiresAt <= context.store.now()) return { record, dead: new AuthFlowError('token_expired') }
  return { record }
}

const isRevoked = ({ revokedAt }: TokenRecord): boolean => typeof revokedAt === 'number'

/** Before the flow is written: of two that begin at once neither goes uncounted. */
async function countUse(
  { store }: ConnectContext,
  { id, usesMax = defaultUses }: TokenRecord,
): Promise<void> {
  const match = { uses: { lessThan: usesMax }, revokedAt: null }
  if (await store.update(tokenSet, id, match, { increment: { uses: 1 } })) return
  const now = await store.get(tokenSet, id)
  if (!now || isRevoked(now)) throw new AuthFlowError('token_revoked')
  const message = `The connect token was used for ${usesMax} flows. Mint a new one on your backend.`
  throw new AuthFlowError('token_spent', message, { details: { limit: usesMax } })
}

function requirePurpose(record: TokenRecord, purposes: readonly ConnectPurpose[]): void {
  if (purposes.includes(record.purpose)) return
  throw new AuthFlowError(
    'purpose_not_allowed',
    `The connect token was minted for ${record.purpose}. Mint one with purpose ${purposes.join(' or ')}.`,
  )
}

function requireIntegration(record: TokenRecord, integration: string): void {
  if (record.integrations.includes(integration)) return
  throw new AuthFlowError('integration_not_allowed', undefined, { details: { integration } })
}

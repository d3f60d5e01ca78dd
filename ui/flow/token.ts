// Where a flow gets its connect tokens, and how long it keeps them. No timers: a token is judged when it is used.

import { connectTokenPattern } from '../../shared/ids.ts'
import type { ConnectPurpose, ConnectTokenReply } from '../../shared/flow.ts'
import { ConnectError, localError } from './connect-error.ts'

/** What a token source is asked for. */
export interface ConnectTokenNeed {
  readonly integration: string
  /** As the page claims it; the backend decides by its own session. */
  readonly accountId: string | undefined
  readonly purpose: ConnectPurpose
}

/**
 * A connect token, or a function that gets one from the host's backend: the answer of `connectTokens.create`, or the
 * bare token, which is then kept until the server says that it has expired.
 */
export type ConnectTokenSource =
  string | ((need: ConnectTokenNeed) => string | ConnectTokenReply | Promise<string | ConnectTokenReply>)

/** The tokens of one flow by purpose. */
export interface ConnectTokens {
  /**
   * The kept token, or a new one.
   *
   * @throws {@link ConnectError} `token_request_failed`, `connect_token_invalid`
   */
  get(purpose: ConnectPurpose): Promise<string>
  /** Forgets a purpose's token: it was spent or has expired. */
  drop(purpose: ConnectPurpose): void
}

const marginMs = 60_000
const requestTimeoutMs = 30_000

/** Tokens from `source()`, asked again for every token so that it may change meanwhile. */
export function createTokens(
  source: () => ConnectTokenSource,
  need: () => Omit<ConnectTokenNeed, 'purpose'>,
): ConnectTokens {
  const kept = new Map<ConnectPurpose, Promise<{ readonly token: string; readonly until: number }>>()
  return {
    async get(purpose) {
      const known = kept.get(purpose)
      if (known && (await known).until > Date.now()) return (await known).token
      const minted = mint(source(), { ...need(), purpose })
      kept.set(purpose, minted)
      minted.catch(() => kept.delete(purpose))
      return (await minted).token
    },
    drop: (purpose) => void kept.delete(purpose),
  }
}

async function mint(
  source: ConnectTokenSource,
  need: ConnectTokenNeed,
): Promise<{ token: string; until: number }> {
  let reply: unknown = source
  if (typeof source === 'function') {
    try {
      reply = await source(need)
    } catch (error) {
      throw error instanceof ConnectError ? error : localError('token_request_failed', error)
    }
  }
  const { token, expiresAt } = isReply(reply) ? reply : { token: reply, expiresAt: '' }
  if (typeof token !== 'string' || !connectTokenPattern.test(token)) throw localError('connect_token_invalid')
  return { token, until: (Date.parse(expiresAt) || Infinity) - marginMs }
}

const isReply = (value: unknown): value is ConnectTokenReply =>
  typeof value === 'object' && value !== null && 'token' in value

/** A source that asks the host's backend: POST with its cookies, body `{ integration, purpose }`. */
export const tokenFrom =
  (url: string): ConnectTokenSource =>
  async ({ integration, purpose }) => {
    const response = await fetch(url, {
      method: 'POST',
      credentials: 'include',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ integration, purpose }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    })
    if (!response.ok) throw localError('token_request_failed', undefined, { status: response.status })
    return response.json()
  }

// Where a flow gets its connect tokens, and how long it keeps them. No timers: a token is judged when it is used.

import type { ConnectPurpose, ConnectTokenReply } from '../../shared/flow.ts'
import { connectTokenPattern } from '../../shared/ids.ts'
import { configuration } from './configure.ts'
import { ConnectError, localError } from './connect-error.ts'

/** What a token source is asked for. */
export interface ConnectTokenNeed {
  /** The integration's id; undefined for a list of several. */
  readonly integration: string | undefined
  /** The integrations that the token must be good for: the one, or those of the list. */
  readonly integrations: readonly string[]
  /** As the page claims it; the backend decides by its own session. */
  readonly accountId: string | undefined
  /** What the token is for. */
  readonly purpose: ConnectPurpose
}

/**
 * A connect token, or a function that gets one from the host's backend: the answer of `connectTokens.create`, or the
 * bare token, which is then kept until the server says that it has expired.
 */
export type ConnectTokenSource =
  string | ((need: ConnectTokenNeed) => string | ConnectTokenReply | Promise<string | ConnectTokenReply>)

/** Whose tokens, and where from; read for every token. */
export interface TokenOptions {
  /** The integration of a flow. */
  readonly integration?: string
  /** The integrations of a list. */
  readonly integrations?: readonly string[]
  readonly accountId?: string | undefined
  readonly tokenUrl?: string | undefined
  readonly connectToken?: ConnectTokenSource | undefined
}

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

/** Tokens from `connectToken`, else from `tokenUrl`, else from the page's settings. */
export function createTokens(options: TokenOptions): ConnectTokens {
  const kept = new Map<ConnectPurpose, Promise<{ readonly token: string; readonly until: number }>>()
  const drop = (purpose: ConnectPurpose): void => void kept.delete(purpose)
  return {
    drop,
    async get(purpose) {
      let minted = kept.get(purpose)
      if (!minted || (await minted).until < Date.now()) {
        minted = mint(options, purpose)
        kept.set(purpose, minted)
        minted.catch(() => drop(purpose))
      }
      return (await minted).token
    },
  }
}

async function mint(
  { integration, integrations = [integration ?? ''], accountId, tokenUrl, connectToken }: TokenOptions,
  purpose: ConnectPurpose,
): Promise<{ token: string; until: number }> {
  const source = connectToken || (tokenUrl ? tokenFrom(tokenUrl) : configuration()?.connectToken)
  let reply: string | ConnectTokenReply | undefined
  try {
    const need = { integration, integrations, accountId, purpose }
    reply = typeof source === 'function' ? await source(need) : source
  } catch (error) {
    throw error instanceof ConnectError ? error : refused({ cause: error })
  }
  const { token = '', expiresAt = '' }: Partial<ConnectTokenReply> =
    typeof reply === 'string' ? { token: reply } : (reply ?? {})
  // Whatever a backend answers, the pattern takes nothing but a token.
  if (!connectTokenPattern.test(token)) throw localError('connect_token_invalid', 'No connect token.')
  return { token, until: (Date.parse(expiresAt) || Infinity) - marginMs }
}

const refused = (options: Parameters<typeof localError>[2]): ConnectError =>
  // What a page without an origin asks for never reaches the backend.
  localError(
    globalThis.origin === 'null' ? 'origin_opaque' : 'token_request_failed',
    'No connect token.',
    options,
  )

/** A source that asks the host's backend: POST with its cookies, body `{ integration, integrations, purpose }`. */
const tokenFrom =
  (url: string): ConnectTokenSource =>
  async ({ integration, integrations, purpose }) => {
    const response = await fetch(url, {
      method: 'POST',
      credentials: 'include',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ integration, integrations, purpose }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    })
    if (!response.ok) throw refused({ details: { status: response.status } })
    return response.json()
  }

/**
 * A call with a token of the purpose, or with the one that is known. One that has expired or is spent is replaced once.
 *
 * @throws {@link ConnectError}
 */
export async function withToken<T>(
  tokens: ConnectTokens,
  purpose: ConnectPurpose,
  send: (token: string) => Promise<T>,
  known?: string,
): Promise<T> {
  try {
    return await send(known || (await tokens.get(purpose)))
  } catch (error) {
    if (!(error instanceof ConnectError && /^token_(expired|spent)$/.test(error.code))) throw error
    tokens.drop(purpose)
    return send(await tokens.get(purpose))
  }
}

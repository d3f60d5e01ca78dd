// Bring your own auth: credentials that the host's code has, for accounts that are not connected here. A resolver is
// asked when a run first acts through its integration in a pass; what it answers is used, and never kept.

import { hash } from 'node:crypto'
import type { ApiKeyAuth, Auth, BasicAuth, Identity, OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { AuthOf, Integration } from '../integrations/integration.ts'
import type { EngineCore } from './core.ts'
import type { RunContext } from './job.ts'

/** What a resolver may say besides the secret. */
export interface ResolvedFacts {
  /** Values that the integration wants besides, such as `{ shop: 'acme.myshopify.com' }`; `auth.fields` to it. */
  readonly additionalFields?: Readonly<Record<string, string>>
  /** What the credentials may be used for (default: not known). */
  readonly scopes?: readonly string[]
  /**
   * Who they act as. A run that finds somebody else in a later pass fails with `identity_changed` (default: the host
   * sees to it).
   */
  readonly identity?: Identity
}

/** An OAuth access token from the host. */
export interface ResolvedToken extends ResolvedFacts {
  /** Two spellings of one thing. */
  readonly type: 'oauth2' | 'oauth'
  /** Secret. */
  readonly token: string
}

/** An API key from the host. */
export interface ResolvedKey extends ResolvedFacts {
  /** Discriminates the kinds. */
  readonly type: 'apiKey'
  /** Secret. */
  readonly token: string
}

/** A user name with its password, from the host. */
export interface ResolvedLogin extends ResolvedFacts {
  /** Discriminates the kinds. */
  readonly type: 'basic'
  /** Who signs in. */
  readonly username: string
  /** Secret. */
  readonly password: string
}

/** What a resolver answers for an integration that takes auth of the kinds `A`. */
export type ResolverAnswer<A extends Auth = Auth> = A extends OAuth2Auth
  ? ResolvedToken
  : A extends ApiKeyAuth
    ? ResolvedKey
    : A extends BasicAuth
      ? ResolvedLogin
      : never

/**
 * Finds credentials for the run's account. Asked at the first use of the integration in each pass, and once more when
 * the provider refuses what it gave; within 30 s. To have the run wait and ask again, throw a retryable
 * {@link AuthFlowError} such as `provider_unavailable`.
 */
export type AuthResolver<I extends Integration<string, Auth> = Integration> = (
  ctx: RunContext,
  integration: I,
) => Promise<ResolverAnswer<AuthOf<I>>> | ResolverAnswer<AuthOf<I>>

type AnyResolver = (ctx: RunContext) => unknown

const longestMs = 30_000
const maxSecretLength = 64 * 1024
const maxFields = 64
const maxFieldLength = 8192

/** The resolvers of one process. */
export class AuthResolvers {
  readonly #integrations: ReadonlySet<Integration>
  readonly #resolvers = new Map<string, AnyResolver>()

  constructor(integrations: readonly Integration[]) {
    this.#integrations = new Set(integrations)
  }

  /**
   * Adds one.
   *
   * @throws {@link AuthFlowError} `unknown_integration` (none of the server's and without credentials from code),
   *   `invalid_input` (no function, or the second one)
   */
  define<I extends Integration<string, Auth>>(integration: I, resolver: AuthResolver<I>): void {
    const { id, authSource } = Object(integration) as Partial<I>
    if (id === undefined || (authSource !== 'LOCAL' && !this.#integrations.has(integration))) {
      throw new AuthFlowError(
        'unknown_integration',
        `defineAuthResolver: ${id ?? 'what was given'} is not among the server's integrations. Give it the instance that jobs use.`,
        id === undefined ? {} : { details: { integration: id } },
      )
    }
    if (typeof resolver !== 'function') throw refuse(id, 'needs a function that gives the credentials.')
    if (this.#resolvers.has(id))
      throw refuse(id, 'has a resolver already. Let one resolver judge all accounts.')
    this.#resolvers.set(id, (ctx) => resolver(ctx, integration))
  }

  /** True when the integration with this id has one. */
  has(id: string): boolean {
    return this.#resolvers.has(id)
  }

  /**
   * Asks the resolver.
   *
   * @throws {@link AuthFlowError} `unresolved_auth`, or what the resolver threw where that is retryable
   */
  async resolve(id: string, { ctx, core }: { ctx: RunContext; core: EngineCore }): Promise<Resolved> {
    const resolver = this.#resolvers.get(id)
    const { job, run } = ctx
    const fail = (problem: string, cause?: unknown): AuthFlowError =>
      new AuthFlowError('unresolved_auth', `The auth resolver of ${id} ${problem} (job ${job.id}).`, {
        details: { integration: id },
        ...(cause === undefined ? {} : { cause }),
      })
    if (resolver === undefined) {
      throw fail('is gone, and the run began with it. Define it again, then resume the run')
    }
    let answer: unknown
    try {
      answer = await inTime(() => resolver(ctx))
    } catch (error) {
      if (error === late)
        throw fail('did not answer within 30 s. Keep what it needs at hand, then resume the run')
      if (isAuthFlowError(error) && error.retryable) throw error
      // Its message is for whoever runs the server; the run's is shown to the account.
      core.log.error({ run: run.id, job: job.id, integration: id, err: error }, 'an auth resolver threw')
      throw fail('threw an error, which the log has. Mend it, then resume the run', error)
    }
    return readAnswer(answer, { fail, account: ctx.account?.id ?? '' })
  }
}

/** What a resolver answered, as integrations take it. */
export interface Resolved {
  readonly auth: Auth
  /** Who it acts as, where the resolver said so. */
  readonly identity: string | undefined
}

const refuse = (id: string, problem: string): AuthFlowError =>
  new AuthFlowError('invalid_input', `defineAuthResolver: ${id} ${problem}`, { details: { integration: id } })

const late = Symbol('late')

async function inTime(work: () => unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      work(),
      new Promise((_, reject) => (timer = setTimeout(reject, longestMs, late))),
    ])
  } finally {
    clearTimeout(timer)
  }
}

interface Reading {
  readonly fail: (problem: string) => AuthFlowError
  readonly account: string
}

function readAnswer(answer: unknown, reading: Reading): Resolved {
  const { fail, account } = reading
  if (typeof answer !== 'object' || answer === null)
    throw fail('gave nothing. Give { type, token } for every account that its jobs act as')
  const {
    type,
    token,
    username,
    password,
    additionalFields = {},
    scopes = [],
    identity,
  } = answer as Partial<Record<keyof ResolvedLogin | 'token', unknown>>
  const secret = type === 'basic' ? password : token
  if (type !== 'oauth2' && type !== 'oauth' && type !== 'apiKey' && type !== 'basic')
    throw fail('gave another type than oauth2, apiKey or basic')
  if (!isText(secret, maxSecretLength) || (type === 'basic' && !isText(username, maxFieldLength)))
    throw fail(type === 'basic' ? 'gave no username and password' : 'gave no token, which must be text')
  if (!isFields(additionalFields) || !isTexts(scopes) || !(identity === undefined || isIdentity(identity)))
    throw fail('gave additionalFields, scopes or an identity of another shape than its type says')
  const base = {
    // There is no connection.
    connectionId: '',
    fields: { ...additionalFields },
    scopes: [...scopes],
    expiresAt: null,
    identity: identity ?? { id: account, label: account },
    tokenHash: hash('sha256', secret, 'base64url'),
  }
  return {
    auth: { ...base, ...secretsOf(type, { secret, username: String(username) }) },
    identity: identity?.id,
  }
}

type Secrets =
  | Pick<OAuth2Auth, 'type' | 'accessToken'>
  | Pick<ApiKeyAuth, 'type' | 'apiKey'>
  | Pick<BasicAuth, 'type' | 'username' | 'password'>

function secretsOf(
  type: 'oauth2' | 'oauth' | 'apiKey' | 'basic',
  { secret, username }: { readonly secret: string; readonly username: string },
): Secrets {
  if (type === 'apiKey') return { type, apiKey: secret }
  return type === 'basic' ? { type, username, password: secret } : { type: 'oauth2', accessToken: secret }
}

const isText = (value: unknown, limit: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= limit && value.isWellFormed()

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length <= maxFields && value.every((each) => isText(each, maxFieldLength))

const isFields = (value: unknown): value is Readonly<Record<string, string>> =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).length <= maxFields &&
  Object.values(value).every((each) => typeof each === 'string' && each.length <= maxFieldLength)

const isIdentity = (value: unknown): value is Identity =>
  typeof value === 'object' &&
  value !== null &&
  'id' in value &&
  isText(value.id, maxFieldLength) &&
  'label' in value &&
  isText(value.label, maxFieldLength)

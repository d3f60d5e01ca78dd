// What an integration is: how an account connects to it, and how a run acts through it. One file per provider
// implements it; the server knows providers by this interface only.

import type { Auth, Identity } from '../../shared/auth.ts'
import type { FieldsOutcome, FieldValues, FormField } from '../../shared/fields.ts'
import type { IO } from '../jobs/job.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'

/** Fields of a method: declared once with zod, see field-set.ts. */
export interface FieldSet {
  /** As the browser gets them, in order. */
  readonly form: readonly FormField[]
  /** Normalises and judges. The last word: what it accepts is used. */
  parse(values: FieldValues): FieldsOutcome
}

/** What hooks of a provider get. */
export interface ProviderContext {
  /** Reaches public https hosts only (loopback where the server itself is on loopback). */
  readonly fetch: GuardedFetch
  /** Normalised values of the method's fields, secret ones included. */
  readonly fields: Readonly<Record<string, string>>
}

/** Who the credentials belong to, and what to remember beside. */
export interface Identified {
  /** Whom the credentials belong to. */
  readonly identity: Identity
  /** More non-secret values for `auth.fields`, such as a workspace id. */
  readonly fields?: Readonly<Record<string, string>>
  /** Scopes the provider reports, where the token answer does not. */
  readonly scopes?: readonly string[]
}

/** The host's own registration at the provider. */
export interface OAuthClientOptions {
  /** Id of the app at the provider. Public. */
  readonly clientId: string
  /** Secret of the app; never leaves the server. */
  readonly clientSecret: string
  /** Asked for by default. */
  readonly scopes: readonly string[]
}

/** How long an old refresh token works after a new one was issued. */
export type RefreshRotation = 'none' | 'strict' | { readonly graceSeconds: number }

/** The secret material of an OAuth grant, as the token endpoint gave it. */
export interface TokenSet {
  /** Sent with every call. */
  readonly accessToken: string
  /** Absent where the provider gives none. */
  readonly refreshToken?: string
  /** Instant in ms; absent when the token does not expire. */
  readonly expiresAt?: number
  /** What was granted; absent where the provider does not say. */
  readonly scopes?: readonly string[]
}

/** Connecting by OAuth 2 authorization code. */
export interface OAuth2Method {
  /** Discriminates the kinds of methods. */
  readonly id: 'oauth2'
  /** On the button or the choice: `Sign in with Slack`. */
  readonly label: string
  /** Asked for before the user goes to the provider (default: nothing). */
  readonly fields?: FieldSet
  /** The host's own app at the provider. */
  readonly client: OAuthClientOptions
  /** Endpoints, which may depend on the fields (`{shop}`). */
  authorizationUrl(fields: Readonly<Record<string, string>>): string
  /** Token endpoint; may depend on the fields too. */
  tokenUrl(fields: Readonly<Record<string, string>>): string
  /** What the authorization server calls itself; checked against `iss` of the callback where one is sent. */
  issuer?(fields: Readonly<Record<string, string>>): string
  /** RFC 9207: the server always sends `iss`, so a callback without it is refused (default false). */
  readonly issuerRequired?: boolean
  /** What stands between scopes in the authorization URL. */
  readonly scopeSeparator: ' ' | ','
  /** Scope in words. */
  readonly scopeLabels: Readonly<Record<string, string>>
  /** S256, or off with the reason why. */
  readonly pkce: 'S256' | { readonly off: string }
  /** How the client proves itself at the token endpoint. `basicRaw` is Basic without RFC 6749's form encoding. */
  readonly clientAuth: 'basic' | 'basicRaw' | 'post' | 'none'
  /** Fixed parameters of the authorization URL, of the code exchange and of the refresh. */
  readonly authorizationParams?: Readonly<Record<string, string>>
  /** Fixed parameters of the code exchange. */
  readonly tokenParams?: Readonly<Record<string, string>>
  /** Fixed parameters of the refresh. */
  readonly refreshParams?: Readonly<Record<string, string>>
  /** What becomes of the old refresh token after a refresh. */
  readonly rotation: RefreshRotation
  /** Turns the provider's own answer into RFC 6749's form; errors too. Used for the exchange and the refresh. */
  normaliseTokenResponse?(response: Response): Promise<Response>
  /** Checks what the provider signs in the callback. Throws `callback_unverified`. */
  checkCallback?(
    params: URLSearchParams,
    context: { readonly fields: Readonly<Record<string, string>>; readonly clientSecret: string },
  ): void
  /** Who the token belongs to. Throws `credentials_rejected`. */
  identify(tokens: TokenSet, context: ProviderContext): Promise<Identified>
  /** RFC 7009 endpoint that ends the grant; used where there is no `revoke`. */
  revocationUrl?(fields: Readonly<Record<string, string>>): string
  /** Ends the grant at the provider. Absent where it has no way. A grant that is already gone counts as ended. */
  revoke?(tokens: TokenSet, context: ProviderContext & { readonly client: OAuthClientOptions }): Promise<void>
}

/** Connecting with values typed into a form: an API key, or a user name with its password. */
export interface KeyMethod {
  /** Which kind of credentials the form gives. */
  readonly id: 'apiKey' | 'basic'
  /** On the choice: `Personal access token`. */
  readonly label: string
  /** Has the secret field `apiKey`, or `username` and `password`, and what else the provider needs. */
  readonly fields: FieldSet
  /**
   * Asks the provider whether the credentials work. Called before anything is kept.
   *
   * @throws {@link AuthFlowError} `credentials_rejected` with `details.fields`, `provider_unavailable`
   */
  verify(context: ProviderContext): Promise<Identified>
}

/** A way to connect. */
export type Method = OAuth2Method | KeyMethod

/** How accounts connect to an integration. */
export interface ConnectDefinition {
  /** In the order they are offered. At least one; ids are unique. */
  readonly methods: readonly Method[]
}

/**
 * A provider with the host's settings. Classes are named after the service. `A` is what `getAuth` answers for it, `Id`
 * its id as a literal type.
 */
export interface Integration<Id extends string = string, A extends Auth = Auth> {
  /** The host's own name for it: `slack-customers`. */
  readonly id: Id
  /** The provider's id and name: `slack`, `Slack`. */
  readonly metadata: { readonly id: string; readonly name: string }
  /** `LOCAL`: credentials from code; runs of any account use them. `HOSTED`: those of the run's account. */
  readonly authSource: 'LOCAL' | 'HOSTED'
  /** Present when accounts can connect (`connect: true`). */
  readonly connect?: ConnectDefinition
  /** URLs of the provider that were overridden in the constructor; checked at start. */
  readonly endpointOverrides?: readonly string[]
  /** Set once by the server: what HTTP clients of the integration must use. */
  useFetch?(fetch: GuardedFetch): void
  /** An instance bound to one execution of a run, acting with the given auth. Called once per execution. */
  cloneForRun(io: IO, connectionKey: string, auth?: A): Integration<Id, A>
}

/** What `getAuth` answers for an integration. */
export type AuthOf<I> = I extends Integration<string, infer A> ? A : never

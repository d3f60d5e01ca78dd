// What an integration is: how an account connects to it, and how a run acts through it. One file per provider
// implements it; the server knows providers by this interface only.

import type { ApiKeyAuth, Auth, BasicAuth, Identity, OAuth2Auth } from '../../shared/auth.ts'
import type { FieldError } from '../../shared/errors.ts'
import type { FieldsOutcome, FieldValues, FormField } from '../../shared/fields.ts'
import type { FieldOptions } from '../../shared/flow.ts'
import type { IO } from '../jobs/job.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { ProviderLimits, RequestGate } from '../net/rate-limits.ts'

/** Fields of a method: declared once with zod, see field-set.ts. */
export interface FieldSet {
  /** As the browser gets them, in order. */
  readonly form: readonly FormField[]
  /** Normalises and judges. The last word: what it accepts is used. */
  parse(values: FieldValues): FieldsOutcome
  /**
   * The fields in the nearest language that they have texts in; undefined where that is the one they are declared in.
   *
   * @param wanted what the reader wants, the dearest first: `['de-AT', 'fr']`
   */
  translate?(wanted: readonly string[]): TranslatedFields | undefined
}

/** Fields in another language than that of their declaration. */
export interface TranslatedFields {
  /** For `Content-Language`: `de`. */
  readonly language: string
  /** One of the fields, with its texts in the language; what else was made of it stays. */
  readonly field: (field: FormField) => FormField
  /** The same complaints in the language. */
  errors(errors: readonly FieldError[]): readonly FieldError[]
}

/** Texts of one field in another language; what is left out stays as it is declared. */
export interface FieldTexts {
  readonly title?: string | undefined
  readonly description?: string | undefined
  readonly placeholder?: string | undefined
  /** Shown when the pattern does not match. */
  readonly patternMessage?: string | undefined
  /** Shown when the provider refuses the value, instead of what the integration says of it. */
  readonly rejectedMessage?: string | undefined
  /** Labels of the choices, one for each. */
  readonly optionLabels?: readonly string[] | undefined
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

/** The app that asks for tokens: the host's own at the provider, or with client credentials the account's. */
export interface OAuthClientOptions {
  /** Id of the app at the provider. Public. */
  readonly clientId: string
  /** Secret of the app; never leaves the server. Empty where the app has none. */
  readonly clientSecret: string
  /** Signs in the place of a secret where the method's `clientAuth` is `privateKeyJwt`. */
  readonly privateKey?: ClientKey
  /** Asked for by default. */
  readonly scopes: readonly string[]
  /**
   * Page of the host where a flow can be begun: who installs the app from the provider's own pages, and so comes to the
   * callback without a flow, is sent there (default: an error page).
   */
  readonly installUrl?: string
}

/** A private key whose public half the provider knows. */
export interface ClientKey {
  /** PKCS #8 in PEM: RSA from 2048 bits, P-256, P-384, P-521 or Ed25519. */
  readonly pem: string
  /** Names the public key at the provider, as `kid`. */
  readonly keyId?: string
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
  /** Those of the method's `answerMembers` that the answer had; only of the first answer. */
  readonly members?: Readonly<Record<string, string>>
  /** Claims of the validated ID token; only of a code exchange, and only where the method has `oidc`. */
  readonly idClaims?: Readonly<Record<string, unknown>>
}

/** Normalised values of the fields of a method, by name. */
export type MethodFields = Readonly<Record<string, string>>

/** How the client proves itself at the provider's endpoints. */
export type ClientAuthentication = 'basic' | 'basicRaw' | 'post' | 'privateKeyJwt' | 'none'

/** What the token endpoint of a provider needs, whichever grant is asked for. */
export interface TokenEndpointProfile {
  /** On the button or the choice: `Sign in with Slack`. */
  readonly label: string
  /** The same in other languages: `{ de: 'Mit Slack anmelden' }`. */
  readonly labels?: Readonly<Record<string, string>>
  /** Token endpoint; may depend on the fields. */
  tokenUrl(fields: MethodFields): string
  /** Where tokens are refreshed, if not at the token endpoint. */
  refreshUrl?(fields: MethodFields): string
  /**
   * What the authorization server calls itself: compared with `iss` of the callback, with `iss` of the ID token, and the
   * only audience of a signed client assertion (default: the origin of the authorization endpoint).
   */
  issuer?(fields: MethodFields): string
  /** What stands between scopes in a request. */
  readonly scopeSeparator: ' ' | ','
  /** Scope in words. */
  readonly scopeLabels: Readonly<Record<string, string>>
  /** The same in other languages: `{ de: { read: 'Alles sehen' } }`. What a language leaves out is shown as above. */
  readonly scopeLocales?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /**
   * How the client proves itself. `basic` encodes id and secret as RFC 6749 section 2.3.1 asks, `basicRaw` does not,
   * `post` puts both into the body, `privateKeyJwt` signs (RFC 7523), `none` names the client only.
   */
  readonly clientAuth: ClientAuthentication
  /** How requests to the token and revocation endpoints are written (default `form`). */
  readonly requestBody?: 'form' | 'json'
  /** Services that the token is for (RFC 8707); sent wherever a grant is asked for. Default: none. */
  readonly resource?: readonly string[]
  /** Fixed parameters of the first token request. */
  readonly tokenParams?: Readonly<Record<string, string>>
  /** Fixed parameters of the refresh. */
  readonly refreshParams?: Readonly<Record<string, string>>
  /** What becomes of the old refresh token after a refresh. */
  readonly rotation: RefreshRotation
  /**
   * What the provider has one grant for. `connection`: each connection has its own, and ending one leaves the others
   * alone. `identity`: all connections of an identity share one (a Slack workspace's bot token); they use one credential,
   * and only the last holder ends the grant. Default: each has its own credential, and no grant is ended while another
   * connection of the identity is active.
   */
  readonly grantScope?: 'connection' | 'identity'
  /** Member of the answer that holds the tokens, dots between levels: `authed_user`. Default: the answer itself. */
  readonly tokenPath?: string
  /** Values of `token_type` beside `bearer` that mean a bearer token here: `['bot']`. */
  readonly tokenTypes?: readonly string[]
  /** Text members of the first answer that `identify` needs: `['instance_url']`. Never secret ones. */
  readonly answerMembers?: readonly string[]
  /** Turns the provider's own answer into RFC 6749's form; errors too. Used for every token request. */
  normaliseTokenResponse?(response: Response): Promise<Response>
  /** Who the token belongs to. Throws `credentials_rejected`. */
  identify(tokens: TokenSet, context: ProviderContext): Promise<Identified>
  /** RFC 7009 endpoint that ends the grant; used where there is no `revoke`. */
  revocationUrl?(fields: MethodFields): string
  /** Ends the grant at the provider. Absent where it has no way. A grant that is already gone counts as ended. */
  revoke?(tokens: TokenSet, context: ProviderContext & { readonly client: OAuthClientOptions }): Promise<void>
}

/** Connecting by OAuth 2 authorization code (RFC 6749 section 4.1). */
export interface OAuth2Method extends TokenEndpointProfile {
  /** Discriminates the kinds of methods. */
  readonly id: 'oauth2'
  /** Asked for before the user goes to the provider (default: nothing). */
  readonly fields?: FieldSet
  /** The host's own app at the provider. */
  readonly client: OAuthClientOptions
  /**
   * For services whose authorization server the user chooses: the host's app at each, by issuer. Every server then has
   * a callback address of its own, `/callback/<integration>/<hash of the issuer>`, so that none can be handed the code of
   * another. Undefined: the server is not served. Needs `issuer`.
   */
  appAt?(issuer: string): Pick<OAuthClientOptions, 'clientId' | 'clientSecret'> | undefined
  /** How the answer comes back: `form_post` asks for a POST (OAuth 2.0 Form Post Response Mode; default `query`). */
  readonly responseMode?: 'query' | 'form_post'
  /** Where the user goes; may depend on the fields (`{shop}`). */
  authorizationUrl(fields: MethodFields): string
  /** Where the request is left before the user goes there with a reference to it (RFC 9126). Default: not done. */
  pushedAuthorizationUrl?(fields: MethodFields): string
  /** RFC 9207: the server always sends `iss`, so a callback without it is refused (default false). */
  readonly issuerRequired?: boolean
  /** S256, or off with the reason why. */
  readonly pkce: 'S256' | { readonly off: string }
  /** Fixed parameters of the authorization URL. */
  readonly authorizationParams?: Readonly<Record<string, string>>
  /**
   * OpenID Connect: the exchange must give an ID token; it is validated and handed to `identify` as `idClaims`. Needs
   * `issuer`. Without it ID tokens are dropped unread.
   */
  readonly oidc?: OidcProfile
  /** Checks what the provider signs in the callback. Throws `callback_unverified`. */
  checkCallback?(
    params: URLSearchParams,
    context: { readonly fields: MethodFields; readonly clientSecret: string },
  ): void
  /**
   * Values of the fields that the provider vouches for when somebody installs the app from its own pages; added to
   * `installUrl`. Throws `callback_unverified`.
   */
  installValues?(params: URLSearchParams, context: { readonly clientSecret: string }): MethodFields
}

/** How ID tokens of a provider are judged. */
export interface OidcProfile {
  /** The provider's signing keys (JWK Set). */
  jwksUrl(fields: MethodFields): string
  /** Signature algorithms that are accepted (default `RS256`). Never symmetric ones, never `none`. */
  readonly algorithms?: readonly ('RS256' | 'PS256' | 'ES256' | 'EdDSA')[]
}

/** Connecting by a code that the user types at the provider, on any device (RFC 8628). */
export interface DeviceMethod extends TokenEndpointProfile {
  /** Discriminates the kinds of methods. */
  readonly id: 'device'
  /** Asked for before the code is shown (default: nothing). */
  readonly fields?: FieldSet
  /** The host's own app at the provider. */
  readonly client: OAuthClientOptions
  /** Where the code comes from. */
  deviceAuthorizationUrl(fields: MethodFields): string
}

/** Connecting with an app that the account made at the provider itself (RFC 6749 section 4.4). */
export interface ClientCredentialsMethod extends TokenEndpointProfile {
  /** Discriminates the kinds of methods. */
  readonly id: 'clientCredentials'
  /** Has `clientId` and the secret field `clientSecret`, and what else the provider needs. */
  readonly fields: FieldSet
  /** Asked for with every token. */
  readonly scopes: readonly string[]
}

/** A way to connect that gives an access token. */
export type OAuthMethod = OAuth2Method | DeviceMethod | ClientCredentialsMethod

/** Connecting with values typed into a form: an API key, or a user name with its password. */
export interface KeyMethod {
  /** Which kind of credentials the form gives. */
  readonly id: 'apiKey' | 'basic'
  /** On the choice: `Personal access token`. */
  readonly label: string
  /** The same in other languages. */
  readonly labels?: Readonly<Record<string, string>>
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
export type Method = OAuthMethod | KeyMethod

/** How accounts connect to an integration. */
export interface ConnectDefinition {
  /** In the order they are offered. At least one; ids are unique. */
  readonly methods: readonly Method[]
  /** Asked after authorisation (default: nothing). */
  readonly configure?: Configuration
}

type Unkept<A> = Omit<A, 'connectionId' | 'tokenHash' | 'expiresAt'>

/** Live credentials of an account that is about to be connected, or is. */
export type ConfiguringAuth = Unkept<OAuth2Auth> | Unkept<ApiKeyAuth> | Unkept<BasicAuth>

/** What the hooks of a {@link Configuration} get. */
export interface ConfiguringContext {
  /** Reaches public https hosts only (loopback where the server itself is on loopback). */
  readonly fetch: GuardedFetch
  /** Who asks. */
  readonly auth: ConfiguringAuth
}

/**
 * What is asked after authorisation, such as «which channel?». Nothing is connected before it is answered; the answers are
 * kept with the connection, among `auth.fields`, and stay when the account connects again.
 */
export interface Configuration {
  /** On a button that asks again: `Change channel` (default: `Change` and the title of the first field). */
  readonly label?: string
  /** The same in other languages. */
  readonly labels?: Readonly<Record<string, string>>
  /** None of them secret, and none with the name of a method's field. Those with `options` are choices. */
  readonly fields: FieldSet
  /**
   * One page of the choices of a field, loaded as the account.
   *
   * @throws {@link AuthFlowError} what the provider refuses; it is shown at the field
   */
  options(
    request: { readonly field: string; readonly search: string; readonly cursor: string | undefined },
    context: ConfiguringContext,
  ): Promise<FieldOptions>
  /**
   * The label of what was chosen before, where a form's list ends before it; undefined means that it is gone. Where there
   * is no such function, or it throws, the value itself is shown.
   */
  labelOf?(
    request: { readonly field: string; readonly value: string },
    context: ConfiguringContext,
  ): Promise<string | undefined>
  /**
   * Judges valid values at the provider and gives what is kept: more than was asked, if it helps (default: the values).
   *
   * @throws {@link AuthFlowError} `credentials_rejected` with `details.fields` puts the complaint at the fields
   */
  settle?(values: MethodFields, context: ConfiguringContext): Promise<MethodFields>
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
  /** How many requests the provider allows, and how it says so; see docs/limits.md. Needs {@link useGate}. */
  readonly rateLimits?: ProviderLimits
  /** Called on what `cloneForRun` made, before it is used: whatever it sends has to ask the gate first. */
  useGate?(gate: RequestGate): void
  /** An instance bound to one execution of a run, acting with the given auth. Called once per execution. */
  cloneForRun(io: IO, connectionKey: string, auth?: A): Integration<Id, A>
}

/** What `getAuth` answers for an integration. */
export type AuthOf<I> = I extends Integration<string, infer A> ? A : never

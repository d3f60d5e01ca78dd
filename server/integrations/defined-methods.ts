// Ways to connect as definitions write them, and the methods that come of them: what is left out gets the careful
// default, and what cannot work is refused when the integration is made.

import { z } from 'zod'
import type { ApiKeyAuth, BasicAuth, OAuth2Auth } from '../../shared/auth.ts'
import type { MethodId } from '../../shared/flow.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import { checkOAuthApp, optionError, type Complainant, type OAuthAppOptions } from './checked-options.ts'
import { defineFields, type FieldMeta } from './field-set.ts'
import { fieldTexts, methodLabels, scopeTexts } from './field-texts.ts'
import type {
  ClientCredentialsMethod,
  ConnectDefinition,
  DeviceMethod,
  FieldSet,
  Identified,
  KeyMethod,
  Method,
  MethodFields,
  OAuthClientOptions,
  OAuth2Method,
  ProviderContext,
  TokenEndpointProfile,
  TokenSet,
} from './integration.ts'
import { checkingCredentials, requestJson, type JsonReply, type JsonRequest } from './json-request.ts'

/** What definitions have to reach their provider. */
export interface ProviderTools {
  /** Reaches public https hosts only; give it to SDKs that take a fetch. */
  readonly fetch: GuardedFetch
  /**
   * Sends JSON and reads JSON; throws coded errors that tasks know how to retry: `rate_limited` with the provider's
   * `Retry-After`, `provider_unavailable`, `provider_rejected`.
   */
  request(url: string, request?: JsonRequest): Promise<JsonReply>
}

/** Fixed, or made of the fields. */
export type Address = string | ((fields: MethodFields) => string)

/** What `identify` of a definition gets beside the token. */
export interface IdentifyContext extends ProviderContext, ProviderTools {
  /** The token with all that came with it: `idClaims` where the method has `oidc`, `members` it asked for. */
  readonly tokens: TokenSet
  /** The host's app; absent with client credentials, whose app is in `fields`. */
  readonly client?: OAuthClientOptions
}

/** What `revoke` of a definition gets beside the tokens. */
export interface RevokeContext extends ProviderContext, ProviderTools {
  /** The app that got the grant. */
  readonly client: OAuthClientOptions
}

interface Identifying {
  readonly tokenUrl: Address
  /** Who the token belongs to. A refusal with status 401 becomes `credentials_rejected`. */
  identify(token: string, context: IdentifyContext): Promise<Identified>
  /** Ends the grant at the provider, where `revocationUrl` does not do. A grant that is gone counts as ended. */
  revoke?(tokens: TokenSet, context: RevokeContext): Promise<void>
}

type Fixed = 'id' | 'client' | 'authorizationUrl' | 'deviceAuthorizationUrl' | keyof Identifying

/** Connecting by OAuth 2. What is left out: PKCE on, Basic client authentication, scopes separated by spaces. */
export interface OAuth2Definition extends Omit<Partial<OAuth2Method>, Fixed>, Identifying {
  /** Where the user goes. */
  readonly authorizationUrl: Address
}

/** Connecting by a code that the user types at the provider. The same defaults. */
export interface DeviceDefinition extends Omit<Partial<DeviceMethod>, Fixed>, Identifying {
  /** Where the code comes from. */
  readonly deviceAuthorizationUrl: Address
}

/** Connecting with an app that the account made itself. Its form asks for id and secret unless `fields` says more. */
export interface ClientCredentialsDefinition
  extends Omit<Partial<ClientCredentialsMethod>, Fixed>, Identifying {}

/** Connecting with a typed key, or with a user name and password. */
export interface KeyDefinition {
  /** (default `API key`, `User name and password`) */
  readonly label?: string
  /** The label in other languages: `{ de: 'API-Schlüssel' }` (default: those of the default label, where that is used). */
  readonly labels?: Readonly<Record<string, string>>
  /** By `defineFields` (default one secret field `apiKey`, or `username` and `password`). */
  readonly fields?: FieldSet
  /** Whose credentials they are. A refusal with status 401 becomes an error at the field. */
  verify(context: ProviderContext & ProviderTools): Promise<Identified>
}

/** Ways to connect; at least one. */
export interface MethodDefinitions {
  /** Needs the host's app (`oauth`). */
  readonly oauth2?: OAuth2Definition
  /** Needs the host's app (`oauth`). Beside `oauth2` it is offered only where the host names it in `methods`. */
  readonly device?: DeviceDefinition
  /** Needs nothing of the host's. */
  readonly clientCredentials?: ClientCredentialsDefinition
  /** Needs nothing of the host's. */
  readonly apiKey?: KeyDefinition
  /** Needs nothing of the host's. */
  readonly basic?: KeyDefinition
}

/** What `getAuth` answers for methods. */
export type AuthOfMethods<Methods extends MethodDefinitions> =
  | (Methods extends { readonly oauth2: OAuth2Definition } ? OAuth2Auth : never)
  | (Methods extends { readonly device: DeviceDefinition } ? OAuth2Auth : never)
  | (Methods extends { readonly clientCredentials: ClientCredentialsDefinition } ? OAuth2Auth : never)
  | (Methods extends { readonly apiKey: KeyDefinition } ? ApiKeyAuth : never)
  | (Methods extends { readonly basic: KeyDefinition } ? BasicAuth : never)

/** What the host chose for its integration. */
export interface MethodChoice {
  /** The host's app at the provider. */
  readonly oauth: OAuthAppOptions | undefined
  /** Only these of the methods; undefined means all that can be offered. */
  readonly only: readonly MethodId[] | undefined
}

/**
 * The methods of a definition, in the order in which they are offered. Those that need the host's app are left out
 * without one, and so are device codes beside a sign-in by browser unless the host asks for them.
 *
 * @throws {@link AuthFlowError} `missing_option` when nothing is left, `invalid_option` for a method that cannot work
 */
export function connectDefinition(
  self: Complainant,
  methods: MethodDefinitions,
  { oauth, only }: MethodChoice,
): ConnectDefinition {
  const { oauth2, device, clientCredentials, apiKey, basic } = methods
  const made: Method[] = [
    ...(oauth2 && oauth ? [oauth2Method(self, oauth2, oauth)] : []),
    ...(device && oauth ? [deviceMethod(self, device, oauth)] : []),
    ...(clientCredentials ? [clientCredentialsMethod(self, clientCredentials)] : []),
    ...(apiKey ? [keyMethod(self, 'apiKey', apiKey)] : []),
    ...(basic ? [keyMethod(self, 'basic', basic)] : []),
  ]
  const unknown = only?.find((id) => !Object.hasOwn(methods, id))
  if (unknown !== undefined) {
    throw optionError('invalid_option', self, { option: 'methods', what: `has no ${unknown} to offer.` })
  }
  const list = made.filter(({ id }) => only?.includes(id) ?? (id !== 'device' || !oauth2))
  if (list.length > 0) return { methods: list }
  throw optionError('missing_option', self, { option: 'oauth', what: 'is needed with `connect: true`.' })
}

/** What {@link ProviderTools} of one integration do. */
export const toolsOf = (self: Complainant, fetch: GuardedFetch): ProviderTools => ({
  fetch,
  request: (url, request) => requestJson(self, fetch, url, request),
})

function oauth2Method(self: Complainant, definition: OAuth2Definition, oauth: OAuthAppOptions): OAuth2Method {
  const { authorizationUrl, tokenUrl, identify, revoke, ...rest } = definition
  const defaults = {
    label: `Sign in with ${self.name}`,
    ...labelsOf(definition.label, methodLabels('signIn', self.name)),
    pkce: 'S256',
    ...scopesOf(definition),
    ...careful,
  } as const
  const { clientAuth = defaults.clientAuth, pkce = defaults.pkce } = rest
  if (pkce !== 'S256' && pkce.off.trim() === '') fail(self, 'pkce.off', 'must say why.')
  if (rest.oidc && !rest.issuer) fail(self, 'issuer', 'is needed with `oidc`.')
  checkProof(self, rest)
  const client = checkOAuthApp(self, oauth, clientAuth)
  return {
    ...defaults,
    ...rest,
    id: 'oauth2',
    client,
    authorizationUrl: addressOf(self, 'authorizationUrl', authorizationUrl),
    ...identifying(self, { tokenUrl, identify, ...(revoke ? { revoke } : {}) }, { client }),
  }
}

function deviceMethod(self: Complainant, definition: DeviceDefinition, oauth: OAuthAppOptions): DeviceMethod {
  const { deviceAuthorizationUrl, tokenUrl, identify, revoke, ...rest } = definition
  const { clientAuth = careful.clientAuth } = rest
  checkProof(self, rest)
  const client = checkOAuthApp(self, oauth, clientAuth)
  return {
    label: `Sign in with ${self.name} on another device`,
    ...labelsOf(definition.label, methodLabels('signInElsewhere', self.name)),
    ...scopesOf(definition),
    ...careful,
    ...rest,
    id: 'device',
    client,
    deviceAuthorizationUrl: addressOf(self, 'deviceAuthorizationUrl', deviceAuthorizationUrl),
    ...identifying(self, { tokenUrl, identify, ...(revoke ? { revoke } : {}) }, { client }),
  }
}

function clientCredentialsMethod(
  self: Complainant,
  definition: ClientCredentialsDefinition,
): ClientCredentialsMethod {
  const { tokenUrl, identify, revoke, ...rest } = definition
  if (rest.clientAuth === 'privateKeyJwt' || rest.clientAuth === 'none') {
    fail(self, 'clientCredentials.clientAuth', 'must be basic, basicRaw or post: the account types a secret.')
  }
  return {
    label: 'Client credentials',
    ...labelsOf(definition.label, methodLabels('clientCredentials', self.name)),
    ...scopesOf(definition),
    ...careful,
    rotation: 'none',
    scopes: [],
    fields: defineFields(defaultFields.clientCredentials),
    ...rest,
    id: 'clientCredentials',
    ...identifying(
      self,
      { tokenUrl, identify, ...(revoke ? { revoke } : {}) },
      { field: secretFields.clientCredentials },
    ),
  }
}

const careful = {
  scopeSeparator: ' ',
  scopeLabels: {},
  clientAuth: 'basic',
  // An old refresh token may be dead, and using it may end the grant.
  rotation: 'strict',
} as const satisfies Partial<TokenEndpointProfile>

function checkProof(self: Complainant, { clientAuth, issuer }: Partial<TokenEndpointProfile>): void {
  if (clientAuth === 'privateKeyJwt' && !issuer)
    fail(self, 'issuer', 'is needed with `clientAuth: "privateKeyJwt"`: it is the audience.')
}

function fail(self: Complainant, option: string, what: string): never {
  throw optionError('invalid_option', self, { option, what })
}

/** A fixed address is looked at when the integration is made; one made of the fields when it is used. */
function addressOf(self: Complainant, option: string, address: Address): (fields: MethodFields) => string {
  if (typeof address !== 'string') return address
  if (!URL.canParse(address)) fail(self, option, 'must be an absolute URL.')
  return () => address
}

function identifying(
  self: Complainant,
  { tokenUrl, identify, revoke }: Identifying,
  { client, field }: { readonly client?: OAuthClientOptions; readonly field?: string },
): Pick<TokenEndpointProfile, 'tokenUrl' | 'identify' | 'revoke'> {
  return {
    tokenUrl: addressOf(self, 'tokenUrl', tokenUrl),
    identify: (tokens, context) => {
      const tools = toolsOf(self, context.fetch)
      const app = client ? { client } : {}
      const ask = () => identify(tokens.accessToken, { ...context, ...tools, tokens, ...app })
      return checkingCredentials(self, ask, field)
    },
    ...(revoke
      ? { revoke: (tokens, context) => revoke(tokens, { ...context, ...toolsOf(self, context.fetch) }) }
      : {}),
  }
}

const defaultFields = {
  apiKey: z.object({
    apiKey: z.string().meta({
      title: 'API key',
      locales: fieldTexts('apiKey'),
      secret: true,
      normalise: ['trim'],
      autocomplete: 'off',
    } satisfies FieldMeta),
  }),
  basic: z.object({
    username: z.string().meta({
      title: 'User name',
      locales: fieldTexts('username'),
      normalise: ['trim'],
      autocomplete: 'username',
    } satisfies FieldMeta),
    password: z.string().meta({
      title: 'Password',
      locales: fieldTexts('password'),
      secret: true,
      autocomplete: 'current-password',
    } satisfies FieldMeta),
  }),
  clientCredentials: z.object({
    clientId: z.string().meta({
      title: 'Client id',
      locales: fieldTexts('clientId'),
      normalise: ['trim'],
      autocomplete: 'off',
    } satisfies FieldMeta),
    clientSecret: z.string().meta({
      title: 'Client secret',
      locales: fieldTexts('clientSecret'),
      secret: true,
      normalise: ['trim'],
      autocomplete: 'off',
    } satisfies FieldMeta),
  }),
} as const

/** The default label is known in other languages; one of the host's own is not. */
const labelsOf = (
  own: string | undefined,
  labels: Readonly<Record<string, string>>,
): Pick<TokenEndpointProfile, 'labels'> => (own === undefined ? { labels } : {})

/** Words for scopes that a built-in integration uses, too, are known in other languages. */
const scopesOf = ({
  scopeLabels = {},
}: Pick<OAuth2Definition, 'scopeLabels'>): Pick<TokenEndpointProfile, 'scopeLocales'> => ({
  scopeLocales: scopeTexts(scopeLabels),
})

const defaultLabels = { apiKey: 'API key', basic: 'User name and password' } as const

const secretFields = { apiKey: 'apiKey', basic: 'password', clientCredentials: 'clientSecret' } as const

function keyMethod(
  self: Complainant,
  id: KeyMethod['id'],
  { label, labels, fields, verify }: KeyDefinition,
): KeyMethod {
  return {
    id,
    label: label ?? defaultLabels[id],
    ...labelsOf(label, methodLabels(id, self.name)),
    ...(labels === undefined ? {} : { labels }),
    fields: fields ?? defineFields(defaultFields[id]),
    verify: (context) => {
      const tools = toolsOf(self, context.fetch)
      return checkingCredentials(self, () => verify({ ...context, ...tools }), secretFields[id])
    },
  }
}

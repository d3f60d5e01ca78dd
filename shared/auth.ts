// What a connection gives to the code that acts as the account, and what everybody may see of it.

/** Who the account is at the provider. Never holds a secret. */
export interface Identity {
  /** Stable id at the provider, such as `T024BE7LD` or `583231`. Two equal ids of one integration are one identity. */
  readonly id: string
  /** For people: `ada@example.com`, `Acme`. */
  readonly label: string
  /** Where the account lives at the provider, for people: `workspace Acme`, `acme.myshopify.com`. */
  readonly place?: string
}

interface AuthBase {
  /** The connection these credentials belong to. */
  readonly connectionId: string
  /** Values of the integration's fields that are not secret, such as `{ shop: 'acme.myshopify.com' }`. */
  readonly fields: Readonly<Record<string, string>>
  /** Scopes that the provider granted; empty where the provider has none. */
  readonly scopes: readonly string[]
  /** ISO 8601 instant at which the credentials stop working; null when they do not expire. */
  readonly expiresAt: string | null
  readonly identity: Identity
  /** SHA-256 of the secret, base64url: give it back as `rejectedTokenHash` when the provider refused the secret. */
  readonly tokenHash: string
}

/** An OAuth 2 access token. */
export interface OAuth2Auth extends AuthBase {
  /** Discriminates the kinds of auth. */
  readonly type: 'oauth2'
  /** Secret. Sent as the provider wants it, mostly as `Authorization: Bearer`. */
  readonly accessToken: string
}

/** An API key or personal access token. */
export interface ApiKeyAuth extends AuthBase {
  /** Discriminates the kinds of auth. */
  readonly type: 'apiKey'
  /** Secret. */
  readonly apiKey: string
}

/** A user name with its password. */
export interface BasicAuth extends AuthBase {
  /** Discriminates the kinds of auth. */
  readonly type: 'basic'
  /** Who signs in. */
  readonly username: string
  /** Secret. */
  readonly password: string
}

/** Live credentials of one account at one integration. Use it at once; never store or log it. */
export type Auth = OAuth2Auth | ApiKeyAuth | BasicAuth

/** `active`: usable. `needs_reauth`: the user has to authorise again. `disconnected`: ended on purpose. */
export type ConnectionState = 'active' | 'needs_reauth' | 'disconnected'

/** The host's own facts about a connection: a JSON object of at most 4 KB. */
export type Metadata = {
  /** Any name of yours. */
  readonly [key: string]: MetadataValue
}

/** A value in {@link Metadata}. */
export type MetadataValue = string | number | boolean | null | readonly MetadataValue[] | Metadata

/** One account's grant to one integration, without its credentials. */
export interface Connection {
  /** Stable for the pair of account and integration. */
  readonly id: string
  /** Id of the integration. */
  readonly integration: string
  /** The host's id of the account. */
  readonly accountId: string
  /** Whether it can be used. */
  readonly state: ConnectionState
  /** Why the state is `needs_reauth`. */
  readonly reason?: string
  /** How it was connected. */
  readonly method: Auth['type']
  /** Who the account is at the provider. */
  readonly identity: Identity
  /** Granted scopes; empty where the provider has none. */
  readonly scopes: readonly string[]
  /** Scopes that were asked for; those not among `scopes` the user or the provider left out. Absent for keys. */
  readonly requestedScopes?: readonly string[]
  /** What the host noted about it. Backends see it, pages never do. */
  readonly metadata?: Metadata
  /** Values of fields that are not secret. */
  readonly fields: Readonly<Record<string, string>>
  /** ISO 8601 instants. */
  readonly createdAt: string
  /** ISO 8601 instant of the last change. */
  readonly updatedAt: string
}

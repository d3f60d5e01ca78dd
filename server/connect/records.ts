// What the connect service stores. Every instant is in ms; every secret is sealed before it gets here.

import type { Auth, Connection, ConnectionState, Identity } from '../../shared/auth.ts'
import type { ErrorReply, FieldError } from '../../shared/errors.ts'
import type { ConnectMethod, ConnectPurpose, FlowStage } from '../../shared/flow.ts'
import type { StoredDocument } from '../store/store.ts'

/** A connect token. Its id is the SHA-256 of the token. */
export interface TokenRecord extends StoredDocument {
  readonly accountId: string
  readonly integrations: readonly string[]
  readonly origins: readonly string[]
  readonly purpose: ConnectPurpose
  readonly returnUrls: readonly string[]
  /** Upper bound of the scopes; null means the integration's own. */
  readonly scopes: readonly string[] | null
  /** Who acts, for the audit trail. */
  readonly actor: string
  /** Id of the secret key that minted it. */
  readonly mintedBy: string
  readonly expiresAt: number
  /** When its one connection was made; null while it is unused. */
  readonly spentAt: number | null
}

/** A flow. Its id was made by the browser. */
export interface FlowRecord extends StoredDocument {
  readonly accountId: string
  readonly integration: string
  readonly purpose: Extract<ConnectPurpose, 'create' | 'reconnect'>
  readonly actor: string
  /** Record id of the token it began with, which may read it to the end. */
  readonly beganWith: string
  /** Record id of the token that acted last, which a success spends. */
  readonly tokenId: string
  readonly stage: FlowStage
  readonly method: ConnectMethod['id'] | null
  /** Normalised values that are not secret. */
  readonly values: Readonly<Record<string, string>>
  /** Sealed values of secret fields of an OAuth method, by name. */
  readonly secrets: Readonly<Record<string, string>>
  readonly errors: readonly FieldError[]
  readonly connection: Connection | null
  readonly error: ErrorReply | null
  readonly createdAt: number
  /** When it is over if nothing happens. */
  readonly endsAt: number
  /** While `stage` is `verify`: when it counts as interrupted. */
  readonly busyUntil: number | null
  /** The code that the user is to type at the provider; its secret half is among `secrets`. */
  readonly device?: PendingDevice
  /** True while the provider is to be asked about the code; for the index of the sweep. */
  readonly deviceOpen?: boolean
}

/** A code of the device grant that waits for the user. */
export interface PendingDevice {
  readonly userCode: string
  readonly verificationUrl: string
  readonly verificationUrlComplete?: string
  readonly endsAt: number
  /** How long to wait between two questions to the provider. */
  readonly intervalMs: number
  /** Asked for: what was granted where the provider does not say. */
  readonly scopes: readonly string[]
}

/** One trip to the provider. Its id is the SHA-256 of `state`. */
export interface AuthorizationRecord extends StoredDocument {
  readonly flowId: string
  /** Version of the flow that the trip began with: values submitted later lead to another server. */
  readonly flowVersion: number
  readonly accountId: string
  readonly integration: string
  /** SHA-256 of the cookie's value. */
  readonly cookieHash: string
  /** Sealed PKCE verifier; null where PKCE is off. */
  readonly verifier: string | null
  readonly redirectUri: string
  /** Asked for: what was granted where the provider does not say. */
  readonly scopes: readonly string[]
  readonly mode: 'popup' | 'redirect'
  readonly locale: string | null
  readonly returnUrl: string | null
  /** When a callback took it; the state is good for one. */
  readonly consumedAt: number | null
  /** When the state stops to be accepted. */
  readonly endsAt: number
}

/** A refresh that was begun. Written before the provider is called. */
export interface RefreshIntent {
  readonly fence: number
  readonly startedAt: number
  /** 1 for the first call with this refresh token, more for recoveries. */
  readonly attempt: number
}

/** A connection with its sealed credential. Its id is a digest of integration and account. */
export interface ConnectionRecord extends StoredDocument {
  /** Constant, so that all connections can be listed by one index. */
  readonly kind: 'connection'
  readonly integration: string
  readonly accountId: string
  readonly state: ConnectionState
  readonly reason: string | null
  readonly method: Auth['type']
  /** The method it was made by, where several give the same kind of credentials (default: `method`). */
  readonly via?: ConnectMethod['id']
  readonly identity: Identity
  /** Keyed digest of integration and identity: finds other holders of one grant. */
  readonly identityKey: string
  readonly scopes: readonly string[]
  readonly fields: Readonly<Record<string, string>>
  readonly createdAt: number
  readonly updatedAt: number
  /** Sealed secrets by field name: `accessToken`, `refreshToken`, `field.<name>`. Empty when disconnected. */
  readonly secrets: Readonly<Record<string, string>>
  /** When the access token was issued and when it ends; null when it does not end. */
  readonly issuedAt: number
  readonly expiresAt: number | null
  /** Fence that wrote the credential: only a greater one may replace it. */
  readonly credFence: number
  /** The open refresh; null when none is. */
  readonly refresh: RefreshIntent | null
  /** Equal to `refresh.startedAt`, null without one; with `refreshOpen` for the index of the sweep. */
  readonly refreshStartedAt: number | null
  readonly refreshOpen: boolean
  /** Refreshes that failed in a row, and when the next may be tried. */
  readonly refreshFailures: number
  readonly refreshRetryAt: number | null
  /** True when the last refresh token may have been used up by a call whose answer was lost. */
  readonly refreshUnsure: boolean
}

/** A grant that is to be ended at the provider. */
export interface TeardownRecord extends StoredDocument {
  /** Constant, so that due ones can be listed by one index. */
  readonly kind: 'teardown'
  readonly connectionId: string
  readonly integration: string
  readonly accountId: string
  readonly identityKey: string
  readonly fields: Readonly<Record<string, string>>
  /** Sealed for this record: nothing else can open it. */
  readonly secrets: Readonly<Record<string, string>>
  readonly scopes: readonly string[]
  readonly attempts: number
  readonly dueAt: number
  readonly createdAt: number
}

/** What changed about a connection. */
export type AuditAction =
  | 'connection.connected'
  | 'connection.reconnected'
  | 'connection.needs_reauth'
  | 'connection.recovered'
  | 'connection.disconnected'
  | 'grant.revoked'
  | 'grant.kept'

/** One row of the audit trail, written with the change it tells of. */
export interface AuditRecord extends StoredDocument {
  readonly at: number
  readonly action: AuditAction
  /** The host's user, the secret key or `authflow` itself. */
  readonly actor: string
  /** Id of the secret key that let the actor in; null for authflow itself. */
  readonly key: string | null
  readonly connectionId: string
  readonly integration: string
  readonly accountId: string
  /** Identity after the change, or why. */
  readonly identityId: string | null
  readonly reason: string | null
}

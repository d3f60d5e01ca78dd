// What the connect service stores. Every instant is in ms; every secret is sealed before it gets here.

import type { Auth, Connection, ConnectionState, Identity, Metadata } from '../../shared/auth.ts'
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
  /** The host's own facts for the connection; null leaves those that are there. */
  readonly metadata?: Metadata | null
  /** Language of the flows that begin with it; null: the browser's. */
  readonly locale?: string | null
  /** Id of the secret key that minted it. */
  readonly mintedBy: string
  readonly expiresAt: number
  /** When its one connection was made; null while it is unused. */
  readonly spentAt: number | null
  /** When the host ended it before its time. */
  readonly revokedAt?: number | null
  /** Flows that were begun with it, and how many may be. */
  readonly uses?: number
  readonly usesMax?: number
  /** Connections that were made with it. */
  readonly finished?: number
  /** Present when this is the token of a link: it opens a landing page and is no bearer of anything else. */
  readonly link?: LinkFacts
  /** Present when this is the link to a connect page: it opens that page and is no bearer of anything else. */
  readonly page?: PageFacts
}

/** What a connect page was minted with beside its link. */
export interface PageFacts {
  /** Exact URL at which the host confirms whose browser it is. */
  readonly confirmUrl: string
  /** Exact URL that the page leads back to. */
  readonly returnUrl: string
  /** What may be done there. */
  readonly purposes: readonly Exclude<ConnectPurpose, 'runs'>[]
  /** The one browser that is let in; null until the host has confirmed one. */
  readonly visit: PageVisit | null
}

/** A browser that the host has confirmed. */
export interface PageVisit {
  /** SHA-256 of its cookie's value. */
  readonly browserHash: string
  /** SHA-256 of what it brings from the host. */
  readonly ticketHash: string
  /** Until when it may bring that. */
  readonly enterBy: number
  /** When it did; null before. */
  readonly enteredAt: number | null
  /** When the page stops to work. */
  readonly endsAt: number
}

/** What a link was minted with beside its token. */
export interface LinkFacts {
  /** Exact URL that the browser goes to with the flow's id. */
  readonly returnUrl: string
  readonly locale: string | null
  /** Normalised values of the method's fields, none of them secret. */
  readonly values: Readonly<Record<string, string>>
  /** When its button was pressed; null while it is unused. */
  readonly openedAt: number | null
}

/** A secret key that was used. Its id is the key's. */
export interface KeyUseRecord extends StoredDocument {
  readonly lastUsedAt: number
}

/** A flow. Its id was made by the browser. */
export interface FlowRecord extends StoredDocument {
  readonly accountId: string
  readonly integration: string
  readonly purpose: Extract<ConnectPurpose, 'create' | 'reconnect'>
  readonly actor: string
  /** Language of its texts; null: of whoever reads it. */
  readonly locale?: string | null
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
  /** True while a grant waits among `secrets` to be kept; for the index of the sweep. */
  readonly grantOpen?: boolean
  /** True while the provider is to be asked about the code; for the index of the sweep. */
  readonly deviceOpen?: boolean
  /** Present when a link began it: the host has to confirm it before the code is exchanged. */
  readonly confirmation?: Confirmation
}

/** What a flow that was begun by a link waits for. */
export interface Confirmation {
  /** The trip whose answer is parked. */
  readonly tripId: string
  /** Until when the host may confirm; null while there is no answer, and once it was taken. */
  readonly by: number | null
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
  /** Sealed: the provider's answer between the POST that brought it, or the callback, and the exchange. */
  readonly parked?: string | null
  /** SHA-256 of the handle under which a posted answer is fetched by the browser. */
  readonly handleHash?: string | null
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
  /**
   * Constant, so that all connections can be listed by one index. `grant`: no connection, but the credential that several
   * share, see shared-grant.ts; its `accountId` is empty.
   */
  readonly kind: 'connection' | 'grant'
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
  /** Granted. */
  readonly scopes: readonly string[]
  /** Asked for when it was connected last, and what a reconnect asks for again; null where nobody asks. */
  readonly requested?: readonly string[] | null
  readonly fields: Readonly<Record<string, string>>
  /** What was asked after authorisation. */
  readonly config?: Readonly<Record<string, string>> | null
  /** The host's own facts. */
  readonly metadata?: Metadata | null
  readonly createdAt: number
  /** Rises with every change that the host is told of. */
  readonly updatedAt: number
  /** Id of the record that has the credential, where the connection shares one; `secrets` is empty then. */
  readonly grantId?: string | null
  /** Of a shared credential: how many connections that are not disconnected use it. */
  readonly holders?: number
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
  /** `teardown` while there is something to do; `ended` for a moment after, without secrets, see teardown-overlap.ts. */
  readonly kind: 'teardown' | 'ended'
  readonly connectionId: string
  readonly integration: string
  readonly accountId: string
  /** Null where the provider did not say whose grant it is. */
  readonly identityKey: string | null
  /** The method that the grant came by (default `oauth2`). */
  readonly via?: ConnectMethod['id']
  readonly fields: Readonly<Record<string, string>>
  /** Sealed for this record: nothing else can open it. */
  readonly secrets: Readonly<Record<string, string>>
  readonly scopes: readonly string[]
  readonly attempts: number
  readonly dueAt: number
  readonly createdAt: number
  /** Until when a process is asking the provider; null while none is. */
  readonly claimedUntil: number | null
  /** Code of the last failure. */
  readonly lastError: string | null
  /** When it is given up and the secrets are deleted. */
  readonly giveUpAt: number
  /** When the provider was last asked with success; null before. */
  readonly endedAt: number | null
}

/** What happened, as the audit trail names it. */
export type AuditAction =
  | 'connection.connected'
  | 'connection.reconnected'
  | 'connection.recovered'
  | 'connection.configured'
  | 'connection.needs_reauth'
  | 'connection.disconnected'
  | 'connection.forgotten'
  | 'connection.metadata_changed'
  | 'connection.renamed'
  | 'credential.read'
  | 'grant.revoked'
  | 'grant.kept'
  | 'grant.not_revoked'
  | 'webhook.undelivered'
  | 'account.renamed'
  | 'integration.renamed'
  | 'token.revoked'
  | 'key.rotated'
  | 'key.retired'
  | 'registration.secret_rotated'

/** One row of the audit trail, written with the change it tells of. */
export interface AuditRecord extends StoredDocument {
  /** Constant, so that all rows can be listed by one index. */
  readonly kind: 'audit'
  readonly at: number
  readonly action: AuditAction
  /** The host's user, the secret key, a run or `authflow` itself. */
  readonly actor: string
  /** Id of the secret key that let the actor in; null for authflow itself and for runs. */
  readonly key: string | null
  /** Null for what is about no single connection. */
  readonly connectionId: string | null
  readonly integration: string | null
  readonly accountId: string | null
  /** Identity after the change, or why. */
  readonly identityId: string | null
  readonly reason: string | null
  /** How often it happened in the minute of the row: more than 1 for reads of a credential only. */
  readonly count: number
}

/** What a change of a connection is called where the host hears of it. */
export type ConnectionEventName =
  | 'authflow.connection.connected'
  | 'authflow.connection.needs_reauth'
  | 'authflow.connection.disconnected'
  | 'authflow.connection.renamed'
  | 'authflow.connection.revocation_failed'

/** A change that is still to be told to one target. Written with the change, removed when the target has it. */
export interface NoticeRecord extends StoredDocument {
  /** `events` for the job engine, else the id of a webhook endpoint. */
  readonly target: string
  /** Digest of target and connection: in a lane the oldest goes first. */
  readonly lane: string
  /** The same for every target and every try. */
  readonly messageId: string
  readonly name: ConnectionEventName
  readonly connectionId: string
  readonly integration: string
  readonly accountId: string
  /** When it happened; rises with every change of one connection. */
  readonly at: number
  /** JSON text of {@link ConnectionEvent}. */
  readonly body: string
  readonly attempts: number
  readonly dueAt: number
  /** Why the last try failed; null while none has. */
  readonly lastError: string | null
}

/** An account or an integration that got another name. Kept for good: runs that began before are told by it. */
export interface RenameRecord extends StoredDocument {
  readonly kind: 'account' | 'integration'
  readonly from: string
  readonly to: string
  /** Kind and name, for the indexes. */
  readonly fromKey: string
  readonly toKey: string
  readonly actor: string
  readonly key: string | null
  readonly startedAt: number
  /** Connections moved so far. */
  readonly moved: number
  /** True while there is something left to move. */
  readonly open: boolean
  /** When a round of upkeep may go on with it. */
  readonly dueAt: number
}

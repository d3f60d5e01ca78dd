// The connect service as the HTTP layer, the jobs and AuthFlow see it. No Koa, no tRPC here.

import type { Auth, Connection, Metadata } from '../../shared/auth.ts'
import type { FieldValues } from '../../shared/fields.ts'
import type {
  ConnectMethod,
  ConnectPurpose,
  ConnectTokenReply,
  ConnectTokenRequest,
  FieldOptions,
  FlowView,
  IntegrationView,
  OptionsQuery,
  Page,
  StartForm,
} from '../../shared/flow.ts'
import type { AuditQuery, AuditRow } from './audit-list.ts'
import type { RenameRequest, RenameStatus } from './rename.ts'
import type { RevokeTokensRequest } from './revoke-tokens.ts'

/** The bearer of a connect token at one request. Every call checks token, origin, purpose, account and integration. */
export interface TokenCaller {
  readonly token: string | undefined
  /** Value of the `Origin` header. */
  readonly origin: string | undefined
  /** What its reader wants to read, the dearest first (default: English). */
  readonly languages?: readonly string[]
  /** Counts what its sender guesses wrong (default: nothing is counted). */
  readonly guesses?: GuessGuard
}

/** Bounds the guesses of whoever sent a request. */
export interface GuessGuard {
  /** To be called before a token is looked up. Throws `rate_limited` for one who guessed too often. */
  before(): void
  /** To be called for a token or key that is none. Throws `rate_limited` instead of the caller's own error. */
  wrong(): void
}

/** A cookie the start sets: HttpOnly, SameSite=Lax, Path=/, Secure unless on loopback http. */
export interface FlowCookie {
  readonly name: string
  readonly value: string
  readonly maxAgeSeconds: number
  /** Names of older flow cookies to clear, so that at most five are alive. */
  readonly clear: readonly string[]
}

/** What the callback page has to say. */
export interface CallbackOutcome {
  readonly flowId: string
  readonly integration: string
  readonly integrationName: string
  readonly mode: 'popup' | 'redirect'
  /** Redirect mode: where to go, with `authflow_flow` added. */
  readonly returnUrl?: string
  readonly locale?: string
  /** `confirm`: the host has to confirm the flow, then the code is exchanged. `configure`: the page asks for more. */
  readonly result: 'done' | 'failed' | 'cancelled' | 'confirm' | 'configure'
  /** Code of the failure. */
  readonly errorCode?: string
}

/** A change of a connection, told after it was written. */
export interface ConnectionChange {
  readonly type: 'connected' | 'needs_reauth' | 'disconnected'
  readonly connection: Connection
  /** What it was called before, when the change is its name. */
  readonly previous?: { readonly integration: string; readonly accountId: string }
}

/** What `getAuth` takes. */
export interface AuthRequest {
  /** The integration's id. */
  readonly id: string
  readonly accountId: string
  /** `tokenHash` of a secret that the provider refused: forces one refresh if it is still the current one. */
  readonly rejectedTokenHash?: string
  /** Scopes the caller is about to need: `insufficient_scope` when one was not granted. */
  readonly scopes?: readonly string[]
  /** `identity.id` that the caller has acted as before: `identity_changed` when the account is another one by now. */
  readonly identityId?: string
}

/** Who reads a credential, for the audit trail: a backend by the id of its secret key, or a run. */
export type AuthReader = { readonly key: string } | RunReader

/** A run that acts as an account. */
export interface RunReader {
  /** Its id. */
  readonly run: string
  /** When it began, in ms: an account that was renamed since is looked for under its new name. */
  readonly since: number
}

/** What `getAuth` answers, with the version of the credential it came from. */
export type ResolvedAuth = Auth

/** What `connectLinks.create` takes. */
export interface ConnectLinkRequest {
  /** The account that it is for. */
  readonly accountId: string
  /** The integration's id. It must be connected by OAuth. */
  readonly integration: string
  /** Exact URL that the browser goes to at the end, with `authflow_flow` added: confirm the flow there. */
  readonly returnUrl: string
  /** `create` or `reconnect` (default `create`). */
  readonly purpose?: 'create' | 'reconnect'
  /** Values of the method's fields, such as `{ shop: 'acme' }`. */
  readonly values?: Readonly<Record<string, string>>
  /** Upper bound of the scopes that are asked for (default: the integration's own). */
  readonly scopes?: readonly string[]
  /** Who acts, for the audit trail (default: the account). */
  readonly actor?: string
  /** Language of the pages: `de-AT`. */
  readonly locale?: string
  /** How long the link works, in ms: one minute to seven days (default one day). */
  readonly lifetimeMs?: number
}

/** What `connectLinks.create` answers. */
export interface ConnectLink {
  /** For one press of the button on the page it opens. */
  readonly url: string
  /** ISO 8601. */
  readonly expiresAt: string
}

/** What may be done on a connect page. */
export type PagePurpose = Exclude<ConnectPurpose, 'runs'>

/** What `connectPages.create` takes. */
export interface ConnectPageRequest {
  /** The account that it is for. */
  readonly accountId: string
  /** Ids of the integrations that it shows, in this order. At least one. */
  readonly integrations: readonly string[]
  /**
   * Exact URL of the host, at one of `connectPages.origins`. Whoever opens the link is sent there with `authflow_visit`
   * added: the host looks who is signed in, and calls `connectPages.confirm`.
   */
  readonly confirmUrl: string
  /** Exact URL of the host, at one of `connectPages.origins`, that the page leads back to. */
  readonly returnUrl: string
  /** What may be done there (default `create` and `reconnect`); `manage` lets the account disconnect. */
  readonly purposes?: readonly PagePurpose[]
  /** Who acts, for the audit trail (default: the account). */
  readonly actor?: string
  /** Language of the page: `de-AT` (default: the browser's). */
  readonly locale?: string
  /** Noted with the connections that are made there: a JSON object of at most 4 KB. */
  readonly metadata?: Metadata
  /** How long the link works, in ms: one minute to seven days (default one hour). */
  readonly lifetimeMs?: number
}

/** What `connectPages.confirm` takes. */
export interface ConfirmPageRequest {
  /** Value of `authflow_visit` at `confirmUrl`. */
  readonly visit: string
  /** The account that is signed in at the host now; from the session, never from the request. */
  readonly accountId: string
  /** Who acts, for the audit trail (default: that of the link). */
  readonly actor?: string
}

/** What an open connect page shows. */
export interface ConnectPageView {
  /** Its own URL, to which providers lead back. */
  readonly url: string
  /** Who asks, for people. */
  readonly host: string
  readonly returnUrl: string
  /** What may be done there. */
  readonly purposes: readonly PagePurpose[]
  readonly integrations: readonly {
    readonly definition: IntegrationView
    /** Absent where there is none. */
    readonly connection?: Connection
  }[]
  readonly locale?: string
}

/** What `connections.confirm` takes. */
export interface ConfirmRequest {
  /** Value of `authflow_flow` at the return URL. */
  readonly flowId: string
  /** The account that is signed in at the host now; from the session, never from the request. */
  readonly accountId: string
  /** Who acts, for the audit trail (default: that of the link). */
  readonly actor?: string
}

/** What the landing page of a link shows. */
export interface LinkView {
  readonly integration: string
  readonly integrationName: string
  /** Host of the return URL: who asks. */
  readonly host: string
  readonly locale?: string
}

/** Everything about connecting accounts and giving out their credentials. */
export interface Connect {
  /** Mints a connect token. `actor` is the secret key's id. Throws `invalid_input`, `unknown_integration`. */
  createToken(request: ConnectTokenRequest, actor: string): Promise<ConnectTokenReply>
  /**
   * Ends one connect token, or all of an account, links too; how many there were. `actor` is the secret key's id. Throws
   * `invalid_input`.
   */
  revokeTokens(request: RevokeTokensRequest, actor: string): Promise<number>
  /** Tells the audit trail what the operator did with an encryption key. */
  noteKeyChange(change: 'rotated' | 'retired', kid: string): Promise<void>
  /** Notes that a secret key was used now; written beside the call. Never throws. */
  noteKeyUse(id: string): void
  /** When keys were last used, in ms, to the minute; those that never were are left out. */
  keyUses(ids: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** True when the origin may use the token; for CORS of the real request. Never throws. */
  allowsOrigin(caller: TokenCaller): Promise<boolean>

  /** What a page may know without a token, in the nearest of the languages. Throws `unknown_integration`. */
  describe(
    integration: string,
    languages?: readonly string[],
  ): IntegrationView & { readonly language: string }
  /** With `configure` the flow begins there, to change what was answered (purpose `reconnect`). */
  begin(
    caller: TokenCaller,
    input: { flowId: string; integration: string; accountId?: string; configure?: boolean },
  ): Promise<FlowView>
  submit(
    caller: TokenCaller,
    input: { flowId: string; version: number; method: ConnectMethod['id']; values: FieldValues },
  ): Promise<FlowView>
  /** Flows that differ from the versions given, at once or within `waitMs` (at most 25,000). Others are left out. */
  watch(
    caller: TokenCaller,
    input: { flows: readonly { id: string; version: number }[]; waitMs: number },
    signal: AbortSignal,
  ): Promise<FlowView[]>
  /** A page of the choices of a field at `configure`, for searching. */
  options(caller: TokenCaller, input: OptionsQuery & { flowId: string; field: string }): Promise<FieldOptions>
  cancel(caller: TokenCaller, input: { flowId: string }): Promise<FlowView>
  listOwn(caller: TokenCaller): Promise<Connection[]>
  disconnectOwn(caller: TokenCaller, input: { integration: string }): Promise<Connection>
  /** The account of a token with purpose `runs`. */
  runsAccount(caller: TokenCaller): Promise<string>

  /** The POST from the popup or page. Returns where to send the browser, and the cookie that binds it. */
  start(
    form: StartForm,
    origin: string | undefined,
    cookieNames: readonly string[],
  ): Promise<{ location: string; cookie: FlowCookie }>
  /** The provider's redirect. Throws only when no flow can be told (`state_invalid`, `browser_mismatch`, …). */
  callback(request: {
    integration: string
    /** Second part of the path, where the user chooses the authorization server. */
    issuer?: string | undefined
    params: URLSearchParams
    cookie: (name: string) => string | undefined
  }): Promise<CallbackOutcome>
  /** Keeps an answer that the provider posted. Returns the URL at which the browser gets the outcome by a GET. */
  keepPosted(request: {
    integration: string
    issuer?: string | undefined
    params: URLSearchParams
  }): Promise<string>
  /** Where to send who comes to the callback without a flow; undefined when it belongs to one, or there is no place. */
  installUrl(request: { integration: string; params: URLSearchParams }): string | undefined

  /** Mints a link for mails and native apps. `actor` is the secret key's id. */
  createLink(request: ConnectLinkRequest, actor: string): Promise<ConnectLink>
  /** What its landing page shows. Throws `link_invalid`, `link_expired`, `link_used`. */
  describeLink(token: string): Promise<LinkView>
  /** The button of the landing page. Returns where to send the browser, and the cookie that binds it. */
  openLink(
    token: string,
    origin: string | undefined,
    cookieNames: readonly string[],
  ): Promise<{ location: string; cookie: FlowCookie; locale?: string }>
  /** Exchanges the code of a flow that a link began, if the account is the one that the link is for. */
  confirm(request: ConfirmRequest): Promise<Connection>

  /** Mints the link to a connect page. `actor` is the secret key's id. */
  createPage(request: ConnectPageRequest, actor: string): Promise<ConnectLink>
  /** Opens the page for a browser that the host has recognised. */
  confirmPage(request: ConfirmPageRequest): Promise<ConnectLink>
  /** What the link does: where to send the browser, and its cookie. */
  openPage(
    token: string,
    cookies: ReadonlyMap<string, string>,
  ): Promise<{ readonly location: string; readonly cookie: FlowCookie }>
  /** Lets the browser in that the host sent. */
  enterPage(request: {
    id: string
    ticket: string
    cookies: ReadonlyMap<string, string>
  }): Promise<{ readonly location: string; readonly cookie: FlowCookie }>
  /** What the page shows to the browser that is in it. */
  readPage(request: {
    id: string
    cookies: ReadonlyMap<string, string>
    languages: readonly string[]
  }): Promise<ConnectPageView>
  /** A connect token for the elements of the page. */
  mintPageToken(request: {
    id: string
    cookies: ReadonlyMap<string, string>
    origin: string | undefined
    integration: string
    purpose: PagePurpose
  }): Promise<ConnectTokenReply>

  listConnections(query: {
    accountId?: string
    integration?: string
    /** `identity.id` at the provider; needs `integration`. */
    identity?: string
    limit?: number
    cursor?: string
  }): Promise<Page<Connection>>
  /** Throws `not_connected`. */
  getConnection(query: { integration: string; accountId: string }): Promise<Connection>
  /** With `since` also under the name that the account got after that instant. */
  findConnection(query: {
    integration: string
    accountId: string
    since?: number
  }): Promise<Connection | undefined>
  /** Throws `not_connected` when there is none or it is disconnected already. */
  disconnect(
    query: { integration: string; accountId: string; forget?: boolean },
    actor: string,
  ): Promise<Connection>
  /** Replaces the host's own facts; null deletes them. Throws `not_connected`, `invalid_input`. */
  setMetadata(
    query: { integration: string; accountId: string; metadata: Metadata | null },
    actor: string,
  ): Promise<Connection>
  /** Renames an account with all it has. Throws `already_connected`, `conflict`, `invalid_input`. */
  renameAccount(request: RenameRequest, actor: string): Promise<RenameStatus>
  /** Renames an integration with all its connections. Throws `unknown_integration` besides. */
  renameIntegration(request: RenameRequest, actor: string): Promise<RenameStatus>
  /** What an account was called before, newest first. */
  formerNames(accountId: string): Promise<string[]>
  /** What an integration is called now, of which something at the instant `since`, in ms, had the given name. */
  integrationNow(integration: string, since: number): Promise<string>
  /** The audit trail, newest first. */
  listAudit(query: AuditQuery): Promise<Page<AuditRow>>

  /**
   * Live credentials, refreshed when needed: one refresh for any number of callers in any number of processes. The audit
   * trail tells who had them: `reader`, by default the host's own process.
   *
   * @throws {@link AuthFlowError} `not_connected`, `needs_reauth`, `identity_changed`, `insufficient_scope`,
   *   `refresh_failed`, `unknown_integration`, `client_misconfigured`
   */
  getAuth(request: AuthRequest, reader?: AuthReader): Promise<ResolvedAuth>

  /** One round of upkeep: interrupted refreshes, teardowns whose grant is not revoked yet. */
  sweep(): Promise<void>
  /** Answers every held `watch`, stops timers. */
  close(): Promise<void>
}

/** Scope of a secret key. */
export type SecretKeyScope =
  'connect:create' | 'auth:read' | 'connections:write' | 'jobs:read' | 'jobs:write' | 'admin'

/** What purposes exist, for input checks. */
export const connectPurposes: readonly ConnectPurpose[] = ['create', 'reconnect', 'manage', 'runs']

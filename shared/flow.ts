// One try at connecting, as both sides speak of it. The server's record is the truth; the browser shows the stage it
// is told and can resume at any. The browser's own machine (ui/flow) only adds local states.

import type { Auth, Connection, Metadata } from './auth.ts'
import type { ErrorReply, FieldError } from './errors.ts'
import type { FieldValues, FormField } from './fields.ts'

/**
 * `choose`: several methods, none chosen. `fields`: values are asked for. `authorize`: the user is to go to, or is at,
 * the provider. `configure`: more is asked after authorisation,
 * with choices loaded as the account. `verify`: the server is talking to the
 * provider, or with `device` waits for the user to type a code there. `done`, `failed` and `cancelled` are final.
 */
export type FlowStage =
  'choose' | 'fields' | 'authorize' | 'configure' | 'verify' | 'done' | 'failed' | 'cancelled'

/** True when the flow is over. */
export const isFinalStage = (stage: string): boolean => ['done', 'failed', 'cancelled'].includes(stage)

/** How long a flow may take, in milliseconds. */
export const flowLifetimeMs = 30 * 60_000

/** The kinds of ways to connect. `device` and `clientCredentials` give credentials of type `oauth2`, too. */
export type MethodId = Auth['type'] | 'device' | 'clientCredentials'

/** One way to connect an integration. */
export interface ConnectMethod {
  /** Unique within the integration. */
  readonly id: MethodId
  /** On the button or the choice: `Sign in with Slack`, `Personal access token`. */
  readonly label: string
  /** Asked for before this method runs. */
  readonly fields: readonly FormField[]
  /** What is asked for at the provider, in words: `Post messages`. */
  readonly scopes: readonly { readonly scope: string; readonly label: string }[]
  /** Words for whatever else may be asked for, by scope: `files:write` is `Upload files`. */
  readonly scopeLabels?: Readonly<Record<string, string>>
}

/** A choice of a field whose choices are loaded as the account. */
export interface FieldOption {
  /** What is submitted. */
  readonly value: string
  /** For people. */
  readonly label: string
}

/** A page of the choices of a field. */
export interface FieldOptions {
  /** Empty where nothing fits. */
  readonly options: readonly FieldOption[]
  /** Give it back to get more; absent where there are none. A page before the last may be short, or empty. */
  readonly cursor?: string
}

/** What {@link FieldOptions} are asked by. */
export interface OptionsQuery {
  /** Part of a label; empty for all. */
  readonly search?: string
  /** That of the page before. */
  readonly cursor?: string
}

/** What a page may know of an integration before anybody signs in. Never a client id. */
export interface IntegrationView {
  /** As its server has named it: `slack-customers`. */
  readonly id: string
  /** Provider's id: `slack`. */
  readonly provider: string
  /** `Slack`. */
  readonly name: string
  /** Language that its texts are in: the nearest to what was asked for. */
  readonly language?: string
  /** Ways to connect, the first one offered first. */
  readonly methods: readonly ConnectMethod[]
  /**
   * On a button that changes what was asked after authorisation: `Change channel`. Absent where nothing is asked.
   */
  readonly configureLabel?: string
}

/** A flow as its account's browser sees it. */
export interface FlowView {
  readonly id: string
  readonly integration: string
  /** Rises with every change; `submit` names the one it saw. */
  readonly version: number
  readonly stage: FlowStage
  /** Language that the connect token was minted for; texts are in the nearest that there is. */
  readonly locale?: string
  readonly methods: readonly ConnectMethod[]
  /** The chosen method's id. */
  readonly method?: MethodId
  /** Fields asked for at this stage. */
  readonly fields: readonly FormField[]
  /** Normalised values given so far, never secret ones. */
  readonly values: FieldValues
  /** What the server found wrong with the values. */
  readonly errors: readonly FieldError[]
  /** Present while the user is to type a code at the provider; `stage` is `verify` then. */
  readonly device?: DeviceCode
  /** Present when `stage` is `done`. */
  readonly connection?: Connection
  /** Present when `stage` is `failed`, and with `cancelled` when the provider said why. */
  readonly error?: ErrorReply
}

/** What the user needs to let a device in (RFC 8628 section 3.3). Show it; the server asks the provider by itself. */
export interface DeviceCode {
  /** Typed at the provider: `WDJB-MJHT`. */
  readonly userCode: string
  /** Page at which it is typed. An https URL, or http on loopback in development. */
  readonly verificationUrl: string
  /** The same page with the code filled in, where the provider has one: for a link or a QR code. */
  readonly verificationUrlComplete?: string
  /** ISO 8601 instant at which the code ends. */
  readonly expiresAt: string
}

/** What a connect token may be used for. None implies another. */
export type ConnectPurpose = 'create' | 'reconnect' | 'manage' | 'runs'

/** What `connectTokens.create` answers and a page's `token-url` passes on. */
export interface ConnectTokenReply {
  /** The secret that lets the browser connect: `ctk_ct_…`. */
  readonly token: string
  /** ISO 8601. */
  readonly expiresAt: string
}

/** What `connectTokens.create` takes. */
export interface ConnectTokenRequest {
  /** The account it is good for. */
  readonly accountId: string
  /** Integration ids the token is good for. */
  readonly integrations: readonly string[]
  /** Exact origins of the pages that may use it: `https://app.example.com`. No wildcards. At least one. */
  readonly origins: readonly string[]
  /** (default `create`) */
  readonly purpose?: ConnectPurpose
  /** Exact URLs to which redirect mode may return. */
  readonly returnUrls?: readonly string[]
  /** Upper bound of the scopes a flow may ask for (default: the integration's own). */
  readonly scopes?: readonly string[]
  /** Who acts, for the audit trail (default: the account). */
  readonly actor?: string
  /** Most flows that may be begun with it, 1 to 1,000 (default 20). It ends with its first success all the same. */
  readonly maxFlows?: number
  /** Language of labels, help and errors in flows that begin with it: `de-AT` (default: the browser's). */
  readonly locale?: string
  /** Noted with the connection that it makes: a JSON object of at most 4 KB. Pages never see it. */
  readonly metadata?: Metadata
}

/** Body of the form POST to `/connect/start`; every value is text. */
export interface StartForm {
  readonly token: string
  readonly flow: string
  readonly mode: 'popup' | 'redirect'
  readonly locale?: string
  readonly return_url?: string
  /** Separated by spaces. */
  readonly scopes?: string
}

/** Name of the BroadcastChannel on which the callback page says «poll now». Messages carry nothing else. */
export const pollChannelName = 'authflow'

/** Query parameter that redirect mode adds to the return URL. */
export const returnParameter = 'authflow_flow'

/** State of a run for those who watch it. `blocked`: its concurrency limit is used up; it begins when others end. */
export type RunState =
  | 'queued'
  | 'running'
  | 'waiting'
  | 'waiting_for_connection'
  | 'waiting_for_version'
  | 'blocked'
  | 'succeeded'
  | 'failed'
  | 'cancelled'

/** One step of a run as an account may see it: no payloads, no outputs. */
export interface TaskSummary {
  /** Unique within its parent. */
  readonly key: string
  /** For people. */
  readonly name: string
  /** What kind of step: a task, a wait. */
  readonly kind: string
  /** How it stands. */
  readonly state: 'running' | 'waiting' | 'retrying' | 'succeeded' | 'failed' | 'cancelled'
  /** Tries so far, 1 on the first. */
  readonly attempts: number
  /** ISO 8601. */
  readonly startedAt: string
  /** ISO 8601; null while it is open. */
  readonly endedAt: string | null
}

/** A run as an account may see it. */
export interface RunSummary {
  /** Id of the run. */
  readonly id: string
  /** Id of the job. */
  readonly job: string
  /** For people. */
  readonly jobName: string
  /** The version it started with and stays with. */
  readonly jobVersion: string
  /** How it stands. */
  readonly state: RunState
  /** The account it acts as; null for runs of the product itself. */
  readonly accountId: string | null
  /** ISO 8601. */
  readonly createdAt: string
  /** ISO 8601; null while it is not over. */
  readonly endedAt: string | null
  /** Its steps so far, in the order they began; the first thousand, in a listing the first hundred. */
  readonly tasks: readonly TaskSummary[]
  /** Code and message of the error that ended the run. */
  readonly error: { readonly code: string; readonly message: string } | null
  /** The run in whose place it goes on (`io.continueAsNew`); null for one that an event started. */
  readonly continues: string | null
  /** The run that goes on in its place; null while there is none. */
  readonly continuedAs: string | null
}

/** A page of a listing, newest first. */
export interface Page<T> {
  /** Empty when there is nothing. */
  readonly items: readonly T[]
  /** Give it back to get the next page; absent on the last. */
  readonly cursor?: string
}

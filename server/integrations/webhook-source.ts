// Where a dynamic trigger's events come from: how a provider is told to send them, how what arrives is proven to be the
// provider's, and what events are in it. One file per provider implements it; the server knows sources by this only.

import type { Auth } from '../../shared/auth.ts'
import type { EventFilter, Json, PayloadSchema } from '../jobs/job.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { Integration } from './integration.ts'

/** A request as it arrived, before anything of it was believed. */
export interface WebhookRequest {
  /** Names in lower case; several of one name joined by commas. */
  readonly headers: Readonly<Record<string, string>>
  /** Exactly the bytes that were sent. At most 1 MB. */
  readonly rawBody: Uint8Array
  /** What stands behind the `?` of the address, by name, the first of several of one name. No signature covers it. */
  readonly query?: Readonly<Record<string, string>>
}

/** One HMAC to be checked. */
export interface HmacCheck {
  /** What the provider signs with. */
  readonly algorithm: 'sha256' | 'sha1'
  /** Text is taken as UTF-8. */
  readonly key: string | Uint8Array
  /** What was signed, in parts. */
  readonly data: readonly (string | Uint8Array)[]
  /** What came with the request. */
  readonly signature: string
  /** How it is written. Anything that is not in exactly this form does not match. */
  readonly encoding: 'hex' | 'base64'
}

/** Comparisons that take the same time whatever is wrong. The server hands them in; sources have none of their own. */
export interface SignatureTools {
  /** True when the signature is the HMAC of the data. */
  hmacMatches(check: HmacCheck): boolean
  /** True when both texts are the same. */
  textMatches(given: string, expected: string): boolean
}

/** What a signature is judged by. */
export interface VerifyContext extends SignatureTools {
  /** The newest first; during a rotation there are two. Never empty. */
  readonly secrets: readonly string[]
  /** In ms. */
  readonly now: number
}

/** Whether a request is the provider's, or why not. */
export type Verdict = 'ok' | 'missing' | 'mismatch' | 'stale'

/** What an authentic request is about, told without asking anybody. */
export interface Received {
  /** What the provider calls the delivery; the same when it sends it again. At most 200 characters. */
  readonly deliveryId: string
  /** True when the id is part of what was signed. Else the body's digest counts too. */
  readonly isIdSigned: boolean
  /** Sources of kind `app`: whose it is, from the signed body. */
  readonly tenant?: string
  /** Present for questions that are answered at once and start nothing. */
  readonly answer?: { readonly body: string; readonly contentType: string }
  /** True for what starts nothing, such as a greeting. */
  readonly isEmpty?: boolean
}

/** An event of a delivery. */
export interface SourceEvent {
  /** The provider's name for it, which triggers ask for: `issues`. */
  readonly name: string
  /** At most 1 MB. */
  readonly payload: Json
  /** Tells events of one delivery apart, and of one source where they come without deliveries. */
  readonly id?: string
  /** (default: when it arrived) */
  readonly timestamp?: Date
  /** More facts for `ctx.event.context`. */
  readonly context?: Json
}

/** What the methods of a source get, for one registration. */
export interface SourceContext<Params> {
  /** As `params` made them. */
  readonly params: Params
  /** Credentials of the registration's account; absent for an integration with credentials from code. */
  readonly auth: Auth | undefined
  /** Reaches public https hosts only (loopback where the server itself is on loopback). */
  readonly fetch: GuardedFetch
}

/** A registration as its provider is to have it. */
export interface HookContext<Params> extends SourceContext<Params> {
  /** Where to send to. Nobody else has this URL. */
  readonly url: string
  /** Names of the events that are wanted. */
  readonly events: readonly string[]
  /** Made for this registration; not with `secret: 'provider'`. */
  readonly secret: string
  /** What `create` answered before; absent the first time. */
  readonly data: Json | undefined
}

/** How a registration stands at the provider. */
export interface Hook {
  /** What is needed to find it again. Not secret. */
  readonly data: Json
  /** With `secret: 'provider'`: what the provider will sign with. */
  readonly secret?: string
  /** When it ends unless it is renewed; absent when it does not. */
  readonly expiresAt?: Date
}

interface SourceBase<Params> {
  /** Stable: `github.repo`. */
  readonly id: string
  /** Whose credentials it uses. */
  readonly integration: Integration
  /** What a registration is for; also makes it of the value that is stored. */
  readonly params: PayloadSchema<Params>
}

/** What every source that is sent requests has. */
interface RequestSource<Params> extends SourceBase<Params> {
  /** Judges a request by its raw bytes. No secret fits, no header, no timestamp near: never `ok`. */
  verify(request: WebhookRequest, context: VerifyContext): Verdict
  /** What an authentic request is about. Throws `invalid_input` for a body that is not what the provider documents. */
  receive(request: WebhookRequest): Received
  /**
   * The events of a delivery. May ask the provider; is asked again when it failed, and then begins at the progress that
   * was stored last.
   */
  read(request: WebhookRequest, context: ReadContext<Params>): Promise<ReadResult> | ReadResult
}

/** What {@link WebhookSource.read} gets beside the request. */
export interface ReadContext<Params> extends Pick<SourceContext<Params>, 'params' | 'fetch'> {
  /** Looks the account's credentials up; the same every time within one reading. */
  auth(): Promise<Auth | undefined>
  /** What `create` answered. */
  readonly data: Json
  /** What the reading before returned; null at first. */
  readonly progress: Json
}

/** Events, and how far the source has been read. */
export interface ReadResult {
  /** In the order they happened. */
  readonly events: readonly SourceEvent[]
  /** Stored once the events are durable (default: unchanged). */
  readonly progress?: Json
  /** True when there is more to read right away. */
  readonly hasMore?: boolean
}

/** A source with a URL for each registration, made at the provider as the account. */
export interface RegistrationSource<Params> extends RequestSource<Params> {
  /** Tells the kinds of sources apart. */
  readonly kind: 'registration'
  /** Who makes the secret: this server, the provider, or the host's app has one for all (`appSecrets`). */
  readonly secret: 'own' | 'provider' | 'app'
  /** With `secret: 'app'`: the newest first. */
  readonly appSecrets?: readonly string[]
  /** True when a delivery has to be read under a lease, because `progress` says where it begins. */
  readonly readsInOrder?: boolean
  /**
   * Makes it, or makes what the provider already has for this URL at this place as it should be: after a crash whose
   * outcome is not known, and where the secret or the events changed. Never doubles it.
   *
   * @throws {@link AuthFlowError} those of providers
   */
  create(context: HookContext<Params>): Promise<Hook>
  /** Prolongs it. Only for sources whose hooks expire. Throws `provider_rejected` with status 404 when it is gone. */
  renew?(context: HookContext<Params> & { readonly data: Json }): Promise<Hook>
  /** False when somebody removed or disabled it at the provider. */
  exists(context: HookContext<Params> & { readonly data: Json }): Promise<boolean>
  /** Removes it. One that is gone counts as removed. */
  remove(context: SourceContext<Params> & { readonly data: Json; readonly url: string }): Promise<void>
}

/** A source with one URL for the host's whole app, whose deliveries name their tenant in the signed body. */
export interface AppSource<Params> extends RequestSource<Params> {
  /** Tells the kinds of sources apart. */
  readonly kind: 'app'
  /** The app's secrets, the newest first. */
  readonly appSecrets: readonly string[]
  /** Which tenant a connection belongs to. Throws `invalid_input` when its credentials do not say. */
  tenantOf(auth: Auth): string
}

/** A source that sends nothing: it is asked again and again. */
export interface PollSource<Params> extends SourceBase<Params> {
  /** Tells the kinds of sources apart. */
  readonly kind: 'poll'
  /** 10 seconds to a day; a failing source is asked less often. */
  readonly intervalSeconds: number
  /**
   * What is new. Events that were given before, told by their `id`, start nothing.
   *
   * @throws {@link AuthFlowError} those of providers; `rate_limited` is waited for
   */
  poll(context: SourceContext<Params> & { readonly progress: Json }): Promise<ReadResult>
}

/** Where events of a dynamic trigger come from. */
export type TriggerSource<Params> = RegistrationSource<Params> | AppSource<Params> | PollSource<Params>

/** Which events of a source a trigger wants, and what they look like. */
export interface EventSpecification<Payload> {
  /** The provider's name for it: `issues`. */
  readonly name: string
  /** The provider it belongs to: `github`. */
  readonly provider: string
  /** For people: `An issue was opened`. */
  readonly title: string
  /** Payloads that it is about (default: all of that name). */
  readonly filter?: EventFilter
  /** What the payload must be (default: any JSON). */
  readonly schema?: PayloadSchema<Payload>
}

// Slack: acting in a workspace with the official @slack/web-api. How accounts connect is in slack-connect.ts. Provider
// facts: docs.slack.dev/reference/methods, read 2026-11-21.

import { createHash } from 'node:crypto'
import type { ErrorCode, WebClient } from '@slack/web-api'
import { z } from 'zod'
import type { OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { IO, Json, TaskOptions } from '../jobs/job.ts'
import {
  checkAuthSource,
  checkCredential,
  checkId,
  checkSigningSecrets,
  type Complainant,
} from './checked-options.ts'
import { readAs } from './json-request.ts'
import { slackLimits } from './slack-limits.ts'
import { failureError, member, retryAfterMs, type ProviderFailure } from './provider-failure.ts'
import { ProviderIntegration, sdkFetchBy, type SdkFetch } from './provider-integration.ts'
import { loadPeer } from './sdk-peer.ts'
import { slackChannel, type SlackChannelAccess } from './slack-channel.ts'
import {
  slackConnect,
  slackEndpoints,
  slackFailure,
  type SlackAppOptions,
  type SlackEndpoints,
} from './slack-connect.ts'
import { slackSources, type SlackSources } from './slack-sources.ts'

export type { SlackAppOptions, SlackEndpoints } from './slack-connect.ts'
export { events } from './slack-sources.ts'
export type {
  SlackChannelPayload,
  SlackMemberPayload,
  SlackMessagePayload,
  SlackReactionPayload,
  SlackSources,
  SlackWorkspaceParams,
} from './slack-sources.ts'

/** Options of {@link Slack}: `token` for the product's own workspace, or `connect` with `oauth` for its customers'. */
export interface SlackOptions<Id extends string = string> {
  /** The host's own name for this integration: `slack-customers`. */
  readonly id: Id
  /** A bot or user token: runs of any account use it. */
  readonly token?: string | undefined
  /** Lets accounts connect their workspaces. */
  readonly connect?: boolean
  /** Needed with `connect`. */
  readonly oauth?: SlackAppOptions
  /**
   * Asks the account for a channel after authorisation: `auth.fields.channel` has its id then, `auth.fields.channelName` its
   * name. Needs `channels:read`; private channels also `groups:read`.
   */
  readonly configure?: 'channel'
  /** The app's signing secret; two, the newer first, while it is being changed. Needed for `sources`. */
  readonly signingSecret?: string | readonly string[] | undefined
  /** Another place than the real provider's, for stand-ins and proxies. */
  readonly endpoints?: SlackEndpoints
}

/** A message to post, by Slack's own names. One of `text`, `blocks` and `attachments` is needed. */
export type SlackMessage = {
  /** Id, or the name of a public channel: `C024BE91L`, `#general` (default: the one that the account chose, if it did). */
  readonly channel?: string
  /** Slack's markdown; what notifications show where there are blocks. */
  readonly text?: string
  /** Block Kit, as Slack documents it. */
  readonly blocks?: { [key: string]: Json }[]
  /** The older form of blocks, as Slack documents it. */
  readonly attachments?: { [key: string]: Json }[]
  /** Answers in the thread of this message. */
  readonly thread_ts?: string
  /** Shows an answer in a thread in the channel as well. */
  readonly reply_broadcast?: boolean
  /** Shows previews of linked pages. */
  readonly unfurl_links?: boolean
  /** Shows previews of linked media (default true at Slack). */
  readonly unfurl_media?: boolean
  /** False shows `text` as it is (default true at Slack). */
  readonly mrkdwn?: boolean
}

/** A posted message. */
export type SlackPosted = {
  /** Id of the channel, also where a name was given. */
  channel: string
  /** Id of the message in its channel. */
  ts: string
  /** As Slack kept it; `user` is null where Slack does not say. */
  message: { text: string; user: string | null }
}

/** A channel. */
export type SlackChannel = {
  /** `C024BE91L`. */
  id: string
  /** Without `#`; empty for direct messages. */
  name: string
  /** True when the connection is in it. */
  is_member: boolean
  /** True when only members see it. */
  is_private: boolean
  /** True when nothing can be posted any more. */
  is_archived: boolean
}

const name = 'Slack'

/** Slack in the name of a workspace, or of a person in one. */
export class Slack<const Id extends string = string> extends ProviderIntegration<Id, OAuth2Auth, WebClient> {
  readonly #options: SlackOptions<Id>
  /** Where events come from: `slack.sources.workspace`. For `DynamicTrigger`. */
  readonly sources: SlackSources
  readonly #apiUrl: string

  /**
   * @throws {@link AuthFlowError} `missing_option` naming the option and the id, also for a credential that is given but
   *   undefined; `invalid_option`
   */
  constructor(options: SlackOptions<Id>) {
    const self = { name, id: options.id }
    checkId(self)
    const local = Object.hasOwn(options, 'token')
    if (local) checkCredential(self, 'token', options.token)
    const authSource = checkAuthSource(self, { connect: options.connect, local, localOption: 'token' })
    const { webUrl, apiUrl } = slackEndpoints(self, options.endpoints)
    const configure = options.configure && slackChannel(self, channelAccess(self, apiUrl))
    const places = { webUrl, apiUrl, configure }
    const connect = options.connect ? slackConnect(self, options.oauth, places) : undefined
    const endpoints = options.endpoints ? [webUrl, apiUrl] : []
    super({ id: options.id, provider: 'slack', name, authSource, connect, endpoints, limits: slackLimits })
    this.#options = options
    this.#apiUrl = apiUrl
    this.sources = slackSources(self, this, checkSigningSecrets(self, options))
  }

  override cloneForRun(io: IO, connectionKey: string, auth?: OAuth2Auth): Slack<Id> {
    return new Slack(this.#options).bindTo(this, io, connectionKey, auth)
  }

  override async createClient(auth?: OAuth2Auth): Promise<WebClient> {
    const token = this.#options.token ?? auth?.accessToken
    if (token === undefined) throw this.notConnected()
    return slackClient(token, this.#apiUrl, (url, init) => this.sdkFetch(url, init))
  }

  /**
   * Posts a message. Joins the public channel first if Slack says that it must (needs `channels:join`; a channel given by
   * name also `channels:read`). A repeat whose first answer was lost carries the same `client_msg_id`.
   */
  postMessage(key: string, message: SlackMessage, options: TaskOptions = {}): Promise<SlackPosted> {
    const self = this.self
    return this.runTask(
      key,
      async (client, task) => {
        const channel = message.channel ?? this.fields['channel']
        if (channel === undefined) throw noChannel(self)
        const post = async (): Promise<SlackPosted> => {
          const values = { ...message, channel, client_msg_id: messageId(task.idempotencyKey) }
          const reply = readAs(self, postedReply, await client.apiCall('chat.postMessage', values))
          return { ...reply, message: { text: reply.message?.text ?? '', user: reply.message?.user ?? null } }
        }
        try {
          return await post()
        } catch (error) {
          if (member(error, 'data', 'error') !== 'not_in_channel') throw error
          await client.apiCall('conversations.join', {
            channel: await channelId(self, client, channel),
          })
          return await post()
        }
      },
      { name: 'Post message', params: message, ...options },
    )
  }

  /** Joins a public channel by its id; joining twice is fine. */
  joinConversation(
    key: string,
    params: { readonly channel: string },
    options: TaskOptions = {},
  ): Promise<SlackChannel> {
    const call = async (client: WebClient): Promise<SlackChannel> => {
      const reply = await client.apiCall('conversations.join', { channel: params.channel })
      return readAs(this.self, joinedReply, reply).channel
    }
    return this.runTask(key, call, { name: 'Join channel', params, ...options })
  }

  /** One page of channels; `nextCursor` is null on the last. */
  listConversations(
    key: string,
    params: {
      readonly limit?: number
      readonly cursor?: string
      readonly types?: string
      readonly exclude_archived?: boolean
    } = {},
    options: TaskOptions = {},
  ): Promise<{ channels: SlackChannel[]; nextCursor: string | null }> {
    const call = async (client: WebClient) => {
      const reply = readAs(this.self, listReply, await client.apiCall('conversations.list', { ...params }))
      return { channels: reply.channels, nextCursor: reply.response_metadata?.next_cursor || null }
    }
    return this.runTask(key, call, { name: 'List channels', params, ...options })
  }

  protected override explain(error: unknown): unknown {
    return explainTo(this.self, error)
  }
}

/** The SDK's client, without what it does by itself. */
async function slackClient(token: string, apiUrl: string, fetch: SdkFetch): Promise<WebClient> {
  const sdk = await loadPeer('@slack/web-api', () => import('@slack/web-api'))
  return new sdk.WebClient(token, {
    slackApiUrl: apiUrl,
    // Tasks retry; the SDK's own default is ten retries over half an hour inside one task.
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
    fetch: async (url, init) => nameTheWait(await fetch(url, init)),
    logger: silentLogger(sdk.LogLevel.ERROR),
  })
}

const channelAccess = (self: Complainant, apiUrl: string): SlackChannelAccess => ({
  client: (token, fetch) => slackClient(token, apiUrl, sdkFetchBy(fetch)),
  explain: (error) => explainTo(self, error),
})

function explainTo(self: Complainant, error: unknown): unknown {
  const failure = failureOf(error)
  if (failure === undefined) return error
  return isAuthFlowError(failure) ? failure : failureError(self, failure)
}

const postedReply = z.object({
  channel: z.string(),
  ts: z.string(),
  message: z.object({ text: z.string().optional(), user: z.string().optional() }).optional(),
})
const channel = z
  .object({ id: z.string(), name: z.string().default(''), is_member: z.boolean().default(false) })
  .extend({ is_private: z.boolean().default(false), is_archived: z.boolean().default(false) })
const joinedReply = z.object({ channel })
const listReply = z.object({
  channels: z.array(channel),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
})

const noChannel = ({ id }: Complainant): AuthFlowError =>
  new AuthFlowError('invalid_input', 'The message names no channel, and the account chose none.', {
    details: { integration: id },
  })

/** Joining takes ids only, posting names too. */
async function channelId(self: Complainant, client: WebClient, given: string): Promise<string> {
  const wanted = given.replace(/^#/, '')
  if (wanted === given && /^[CG][A-Z0-9]{6,}$/.test(given)) return given
  let cursor: string | undefined
  do {
    const page = { limit: 1000, exclude_archived: true, ...(cursor === undefined ? {} : { cursor }) }
    const reply = readAs(self, listReply, await client.apiCall('conversations.list', page))
    const found = reply.channels.find((one) => one.name === wanted)
    if (found) return found.id
    cursor = reply.response_metadata?.next_cursor || undefined
  } while (cursor !== undefined)
  throw failureError(self, { status: 404, code: 'channel_not_found' })
}

/** Slack takes UUIDs: 128 bits of the key's digest in the form of a version 8 one. */
function messageId(idempotencyKey: string): string {
  const hex = createHash('sha256').update(idempotencyKey).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The SDK gives up on a 429 that does not say how long to wait in an error that can't be told from others. */
function nameTheWait(response: Response): Response {
  if (response.status !== 429 || /^\d+$/.test(response.headers.get('retry-after') ?? '')) return response
  const headers = new Headers(response.headers)
  headers.set('retry-after', '30')
  return new Response(null, { status: 429, headers })
}

/** What goes wrong comes back as an error; the console is not ours. */
function silentLogger<Level>(level: Level) {
  const ignore = (): void => undefined
  return {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: ignore,
    setLevel: ignore,
    setName: ignore,
    getLevel: () => level,
  }
}

type SlackErrorCode = `${ErrorCode}`

/** The facts of an error of the SDK; a coded error inside of it; undefined when it is none of Slack's. */
function failureOf(error: unknown): ProviderFailure | AuthFlowError | undefined {
  if (isAuthFlowError(error)) return error
  const code = member(error, 'code')
  const is = (wanted: SlackErrorCode): boolean => code === wanted
  if (is('slack_webapi_request_error')) {
    const original = member(error, 'original')
    return isAuthFlowError(original) ? original : {}
  }
  if (is('slack_webapi_rate_limited_error')) {
    return { status: 429, rateLimited: true, retryAfterMs: retryAfterMs(member(error, 'retryAfter')) }
  }
  if (is('slack_webapi_http_error')) {
    const status = member(error, 'statusCode')
    return { status: typeof status === 'number' ? status : 502 }
  }
  return is('slack_webapi_platform_error') ? slackFailure(member(error, 'data')) : undefined
}

// Slack's Events API: one URL for the host's app, signed with the app's signing secret, each event naming the workspace
// it is for in the signed body. Provider facts: docs.slack.dev/apis/events-api and
// /authentication/verifying-requests-from-slack, read 2026-11-21.

import { z } from 'zod'
import { AuthFlowError } from '../../shared/errors.ts'
import type { EventFilter, Json, PayloadSchema } from '../jobs/job.ts'
import type { Complainant } from './checked-options.ts'
import type { Integration } from './integration.ts'
import { isNear, jsonOf, secondsOf } from './webhook-body.ts'
import type {
  AppSource,
  EventSpecification,
  ReadResult,
  Received,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from './webhook-source.ts'

const workspaceParams = z.object({})

/** Nothing: the workspace is that of the account. */
export type SlackWorkspaceParams = z.output<typeof workspaceParams>

/** Where events of Slack come from. */
export interface SlackSources {
  /**
   * Events of the account's workspace. The URL `<baseUrl>/webhooks/app/<integration id>` is entered once in the app's
   * settings at Slack.
   */
  readonly workspace: AppSource<SlackWorkspaceParams>
}

const toleranceSeconds = 300

/** The sources of one integration. */
export function slackSources(
  self: Complainant,
  integration: Integration,
  signingSecrets: readonly string[],
): SlackSources {
  return {
    workspace: {
      kind: 'app',
      id: 'slack.workspace',
      integration,
      params: workspaceParams,
      appSecrets: signingSecrets,
      tenantOf(auth) {
        const team = auth.fields['teamId']
        if (team !== undefined) return team
        throw new AuthFlowError('invalid_input', 'The connection is to no single workspace of Slack.', {
          details: { integration: self.id },
        })
      },
      verify: verifySlack,
      receive: receiveSlack,
      read: readSlack,
    },
  }
}

/** Whether a request is Slack's, and not older than five minutes. */
export function verifySlack({ headers, rawBody }: WebhookRequest, context: VerifyContext): Verdict {
  const given = headers['x-slack-signature']
  const at = headers['x-slack-request-timestamp']
  const seconds = secondsOf(at)
  if (given === undefined || !given.startsWith('v0=') || at === undefined || seconds === undefined)
    return 'missing'
  const data = ['v0:', at, ':', rawBody]
  const check = { algorithm: 'sha256', data, signature: given.slice(3), encoding: 'hex' } as const
  if (!context.secrets.some((key) => context.hmacMatches({ ...check, key }))) return 'mismatch'
  return isNear(seconds, context.now, toleranceSeconds) ? 'ok' : 'stale'
}

const challengeBody = z.object({ type: z.literal('url_verification'), challenge: z.string().max(1000) })
const callbackBody = z.object({
  type: z.literal('event_callback'),
  event_id: z.string(),
  event_time: z.number().optional(),
  team_id: z.string().nullish(),
  api_app_id: z.string().optional(),
  /** The installation that sees the event; in shared channels the event's own workspace is another. */
  authorizations: z.array(z.object({ team_id: z.string().nullish() })).optional(),
  event: z.looseObject({ type: z.string() }),
})

function receiveSlack({ rawBody }: WebhookRequest): Received {
  const body = jsonOf(rawBody)
  const challenge = challengeBody.safeParse(body)
  if (challenge.success) {
    const answer = { body: challenge.data.challenge, contentType: 'text/plain' }
    return { deliveryId: '', isIdSigned: true, answer }
  }
  const parsed = callbackBody.safeParse(body)
  // Such as `app_rate_limited`, which tells that events were left out.
  if (!parsed.success) return { deliveryId: '', isIdSigned: true, isEmpty: true }
  const { event_id, team_id, authorizations } = parsed.data
  const tenant = authorizations?.[0]?.team_id ?? team_id
  if (!tenant) return { deliveryId: event_id, isIdSigned: true, isEmpty: true }
  return { deliveryId: event_id, isIdSigned: true, tenant }
}

function readSlack({ rawBody }: WebhookRequest): ReadResult {
  const { event, team_id, api_app_id, event_id, event_time } = callbackBody.parse(jsonOf(rawBody))
  const context = { event_id, team_id: team_id ?? null, api_app_id: api_app_id ?? null }
  const timestamp = event_time === undefined ? {} : { timestamp: new Date(event_time * 1000) }
  return { events: [{ name: event.type, payload: event as Json, context, ...timestamp }] }
}

const message = z.looseObject({
  channel: z.string(),
  channel_type: z.string().optional(),
  user: z.string().optional(),
  text: z.string().default(''),
  ts: z.string(),
  thread_ts: z.string().optional(),
  subtype: z.string().optional(),
  bot_id: z.string().optional(),
})
const reaction = z.looseObject({
  user: z.string(),
  reaction: z.string(),
  item: z.looseObject({ type: z.string(), channel: z.string().optional(), ts: z.string().optional() }),
})
const member = z.looseObject({ user: z.string(), channel: z.string(), team: z.string().optional() })
const channel = z.looseObject({ channel: z.looseObject({ id: z.string(), name: z.string() }) })

/** A message in a channel that the app sees. */
export type SlackMessagePayload = z.output<typeof message>
/** An emoji put on something. */
export type SlackReactionPayload = z.output<typeof reaction>
/** Somebody who joined a channel. */
export type SlackMemberPayload = z.output<typeof member>
/** A channel that was made. */
export type SlackChannelPayload = z.output<typeof channel>

const on = <Payload>(
  name: string,
  description: { title: string; schema: PayloadSchema<Payload>; filter?: EventFilter },
): EventSpecification<Payload> => ({ name, provider: 'slack', ...description })

/** Events of Slack for `DynamicTrigger`. The app must be subscribed to them in its settings. */
export const events = {
  /** Any message in channels that the app is in, its own included. */
  onMessage: on('message', { title: 'Message', schema: message }),
  /** Somebody named the app. */
  onAppMention: on('app_mention', { title: 'App mention', schema: message }),
  /** An emoji was put on something. */
  onReactionAdded: on('reaction_added', { title: 'Reaction added', schema: reaction }),
  /** Somebody joined a channel. */
  onMemberJoinedChannel: on('member_joined_channel', { title: 'Member joined channel', schema: member }),
  /** A public channel was made. */
  onChannelCreated: on('channel_created', { title: 'Channel created', schema: channel }),
} as const

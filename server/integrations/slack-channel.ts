// Asks for a channel after authorisation: those that the connection may see, by the official SDK. Provider facts:
// docs.slack.dev/reference/methods/conversations.list and /conversations.info, read 2026-11-22.

import type { WebClient } from '@slack/web-api'
import { z } from 'zod'
import type { OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { FieldOption, FieldOptions } from '../../shared/flow.ts'
import type { Complainant } from './checked-options.ts'
import { defineFields, type FieldMeta } from './field-set.ts'
import { fieldTexts, methodLabels } from './field-texts.ts'
import type { Configuration, ConfiguringAuth, ConfiguringContext } from './integration.ts'
import { readAs } from './json-request.ts'
import { member } from './provider-failure.ts'

/** How the channel is asked for. */
export interface SlackChannelAccess {
  /** A client that acts with the token, through the given way out. */
  readonly client: (token: string, fetch: ConfiguringContext['fetch']) => Promise<WebClient>
  /** An error of the SDK as a coded one. */
  readonly explain: (error: unknown) => unknown
}

const channelField = {
  title: 'Channel',
  locales: fieldTexts('slackChannel'),
  description: 'Where messages go. Private channels are listed once the app was invited to them.',
  placeholder: 'Choose a channel',
  options: true,
} satisfies FieldMeta

/** Slack asks for at most 200 a page; more are given, up to 1000. */
const pageSize = 200
/** A search looks through so many pages before it answers with what it has; «more» goes on from there. */
const pagesPerSearch = 5

const channel = z.object({
  id: z.string(),
  name: z.string().default(''),
  is_private: z.boolean().default(false),
  is_archived: z.boolean().default(false),
})
const listReply = z.object({
  channels: z.array(channel),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
})
const infoReply = z.object({ channel })

/** Asks for the channel to post in; kept as `auth.fields.channel` and `auth.fields.channelName`. */
export function slackChannel(self: Complainant, { client, explain }: SlackChannelAccess): Configuration {
  const ask = async <T>(
    { auth, fetch }: ConfiguringContext,
    work: (client: WebClient) => Promise<T>,
  ): Promise<T> => {
    try {
      return await work(await client(tokenOf(auth), fetch))
    } catch (error) {
      throw explain(error)
    }
  }
  return {
    label: 'Change channel',
    labels: methodLabels('changeChannel', self.name),
    fields: defineFields(z.object({ channel: z.string().max(64).meta(channelField) })),
    options: ({ search, cursor }, context) =>
      ask(context, (slack) =>
        listChannels(self, slack, { search, cursor, types: typesFor(context.auth.scopes) }),
      ),
    labelOf: ({ value }, context) =>
      ask(context, async (slack) => {
        const found = await findChannel(self, slack, value)
        return found && optionOf(found).label
      }),
    settle: ({ channel: id = '' }, context) => ask(context, (slack) => settleChannel(self, slack, id)),
  }
}

const tokenOf = (auth: ConfiguringAuth): string => (auth.type === 'oauth2' ? auth.accessToken : '')

/** Without `groups:read` Slack refuses to list private channels at all. */
const typesFor = (scopes: OAuth2Auth['scopes']): string =>
  scopes.includes('groups:read') ? 'public_channel,private_channel' : 'public_channel'

/** Slack has no search for channels: its pages are looked through. */
async function listChannels(
  self: Complainant,
  slack: WebClient,
  { search, cursor, types }: { search: string; cursor: string | undefined; types: string },
): Promise<FieldOptions> {
  const wanted = search.replace(/^#/, '').toLowerCase()
  const options: FieldOption[] = []
  let next = cursor
  for (let pages = 0; pages < pagesPerSearch; pages += 1) {
    const page = { limit: pageSize, exclude_archived: true, types, ...(next ? { cursor: next } : {}) }
    const reply = readAs(self, listReply, await slack.apiCall('conversations.list', page))
    options.push(...reply.channels.filter(({ name }) => name.toLowerCase().includes(wanted)).map(optionOf))
    next = reply.response_metadata?.next_cursor || undefined
    if (next === undefined || (options.length > 0 && wanted === '')) break
  }
  return { options, ...(next === undefined ? {} : { cursor: next }) }
}

const optionOf = ({ id, name, is_private }: z.output<typeof channel>): FieldOption => ({
  value: id,
  label: `${is_private ? '🔒 ' : '#'}${name}`,
})

/** A channel that is open and that this connection may see. */
async function findChannel(
  self: Complainant,
  slack: WebClient,
  id: string,
): Promise<z.output<typeof channel> | undefined> {
  try {
    const reply = readAs(self, infoReply, await slack.apiCall('conversations.info', { channel: id }))
    return reply.channel.is_archived ? undefined : reply.channel
  } catch (error) {
    if (isAuthFlowError(error) || member(error, 'data', 'error') !== 'channel_not_found') throw error
    return undefined
  }
}

/** The channel must be there for this connection: what a page sends is believed in nothing. */
async function settleChannel(
  self: Complainant,
  slack: WebClient,
  id: string,
): Promise<Record<string, string>> {
  const found = await findChannel(self, slack, id)
  if (found) return { channel: found.id, channelName: found.name }
  const message = 'This channel is not there any more.'
  throw new AuthFlowError('credentials_rejected', message, {
    details: { integration: self.id, fields: [{ field: 'channel', reason: 'rejected', message }] },
  })
}

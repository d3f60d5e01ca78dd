// Events of the stand-in Slack: one address for the app, signed with its signing secret, each naming its workspace.

import { createHmac, randomBytes } from 'node:crypto'

import type { Courier } from './deliver.ts'

/** Something that happened in a workspace. */
export interface SandboxSlackEvent {
  /** `T…`. */
  readonly team: string
  /** As Slack sends it: `{ type: 'message', … }`. */
  readonly event: Readonly<Record<string, unknown>> & { readonly type: string }
}

/** Where the app's events go; what a person enters in the app's settings. */
export interface SlackSubscription {
  /** `https://…/webhooks/app/slack-customers`. */
  readonly url: string
  /** Secret that requests are signed with. */
  readonly signingSecret: string
}

/** Sends an event to the app. The id of the delivery. */
export function sendSlackEvent(
  courier: Courier,
  subscription: SlackSubscription,
  { team, event }: SandboxSlackEvent,
): string {
  const id = `Ev${randomBytes(6).toString('hex').toUpperCase()}`
  const body = JSON.stringify({
    type: 'event_callback',
    event_id: id,
    event_time: Math.floor(Date.now() / 1000),
    team_id: team,
    api_app_id: 'A0SANDBOX',
    authorizations: [{ team_id: team, is_bot: true }],
    event,
  })
  courier.send({ id, url: subscription.url, body, headers: signed(body, subscription) })
  return id
}

/** Asks whether the address is the app's, as Slack does when it is entered. True when it answered as it must. */
export async function challenge(subscription: SlackSubscription): Promise<boolean> {
  const value = randomBytes(20).toString('hex')
  const body = JSON.stringify({ type: 'url_verification', challenge: value, token: 'deprecated' })
  const answer = await fetch(subscription.url, { method: 'POST', body, headers: signed(body, subscription) })
  return answer.ok && (await answer.text()) === value
}

function signed(body: string, { signingSecret }: SlackSubscription): Record<string, string> {
  const at = String(Math.floor(Date.now() / 1000))
  const signature = createHmac('sha256', signingSecret).update(`v0:${at}:${body}`).digest('hex')
  return {
    'content-type': 'application/json',
    'x-slack-request-timestamp': at,
    'x-slack-signature': `v0=${signature}`,
  }
}

// The buttons of the demo: each sends an event of the signed-in account, and a job does the rest.

import { AuthFlowError } from '../shared/errors.ts'
import type { EventRecord } from '../server/jobs/engine.ts'
import type { DemoClient } from './client.ts'

/** The events by the name of their button. */
const events: Readonly<
  Record<string, { readonly name: string; readonly payload: Record<string, string | number> }>
> = {
  'slack-post': { name: 'slack.notification', payload: { message: 'A new order came in', pauseSeconds: 0 } },
  'slack-slow': { name: 'slack.notification', payload: { message: 'A long job has begun', pauseSeconds: 8 } },
  'github-comment': { name: 'github.comment', payload: { message: 'Thanks, we are looking into it.' } },
  'github-watch': { name: 'github.watch', payload: {} },
  'airtable-record': { name: 'airtable.record', payload: { title: 'New lead from the demo' } },
  'shopify-product': { name: 'shopify.product', payload: { title: 'Demo mug' } },
}

/** Sends the event of a button as the account. Throws `invalid_input` for a button that is not there. */
export async function startEvent(
  client: DemoClient['client'],
  { kind, accountId }: { kind: string; accountId: string },
): Promise<EventRecord> {
  const event = Object.hasOwn(events, kind) ? events[kind] : undefined
  if (!event)
    throw new AuthFlowError('invalid_input', `kind must be one of ${Object.keys(events).join(', ')}.`)
  return client.sendEvent({ name: event.name, payload: event.payload }, { accountId })
}

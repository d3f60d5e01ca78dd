// What the page shows below each service: the account's runs with their steps, and what arrived at the stand-in.

import type { RunSummary } from '../shared/flow.ts'
import type { Sandbox } from '../server/sandbox/sandbox.ts'
import type { DemoClient } from './client.ts'
import type { ServiceId } from './options.ts'

/** One thing that arrived at a stand-in. */
export interface Arrival {
  readonly id: string
  readonly text: string
  readonly place: string
}

/** The account's runs, newest first, and what they left at the providers. */
export interface ActivityReport {
  readonly runs: readonly RunSummary[]
  readonly arrived: Partial<Record<ServiceId, readonly Arrival[]>>
  /** Pages of the stand-ins. */
  readonly viewers: Partial<Record<ServiceId, string>>
}

/** Reports activity. */
export interface Activity {
  of(accountId: string): Promise<ActivityReport>
}

const shown = 4

/** Activity of accounts; without stand-ins only runs. What the demo's jobs write names the account, so that each sees its own. */
export function createActivity({ client }: DemoClient, sandbox: Sandbox | undefined): Activity {
  return {
    async of(accountId) {
      const { items: runs } = await client.runs.list({ accountId, limit: 12 })
      return {
        runs,
        arrived: sandbox ? arrivals(sandbox, accountId) : {},
        viewers: sandbox ? viewers(sandbox) : {},
      }
    },
  }
}

const viewers = (sandbox: Sandbox): ActivityReport['viewers'] => ({
  slack: sandbox.slack.url,
  github: sandbox.github.url,
  airtable: sandbox.airtable.url,
  shopify: sandbox.shopify.url,
})

function arrivals(sandbox: Sandbox, accountId: string): ActivityReport['arrived'] {
  const own = (items: readonly Arrival[]): readonly Arrival[] =>
    items
      .filter(({ text }) => text.includes(accountId))
      .slice(-shown)
      .toReversed()
  const placeOf = (place: string): string =>
    sandbox.slack.people.find((person) => person.place === place)?.placeName ?? place
  return {
    slack: own(
      sandbox.slack.messages().map(({ ts, text, team, channelName, threadTs }) => ({
        id: ts,
        text,
        place: `#${channelName} of ${placeOf(team)}${threadTs ? ', in the thread' : ''}`,
      })),
    ),
    github: own(
      sandbox.github.comments().map(({ id, body, repo, issue, author }) => ({
        id: String(id),
        text: body,
        place: `${repo} #${issue}, by ${author}`,
      })),
    ),
    airtable: own(
      sandbox.airtable.records().map(({ id, fields, base, table }) => ({
        id,
        text: Object.values(fields).join(', '),
        place: `${table} of ${base}`,
      })),
    ),
    shopify: own(
      sandbox.shopify.products().map(({ id, title, shop }) => ({ id: String(id), text: title, place: shop })),
    ),
  }
}

// What can be done with each service once it is connected.

/** A service of the page. */
export type ServiceName = 'slack' | 'github' | 'airtable' | 'shopify'

interface ServiceActions {
  readonly actions: readonly { readonly kind: string; readonly label: string }[]
  readonly note?: string
  /** Text of the link to the stand-in: what there is to do or to see. */
  readonly standIn: string
  readonly arrivedTitle: string
}

/** Buttons and titles by service. */
export const actionsOf: Readonly<Record<ServiceName, ServiceActions>> = {
  slack: {
    actions: [
      { kind: 'slack-post', label: 'Post a message' },
      { kind: 'slack-slow', label: 'Post, wait 8 s, reply' },
    ],
    note: 'Sent before connecting, a run waits for the connection. Kill the server while one waits and start it again: it goes on where it was.',
    standIn: 'See the messages at the stand-in Slack',
    arrivedTitle: 'Arrived in Slack',
  },
  github: {
    actions: [
      { kind: 'github-comment', label: 'Comment on issue #1' },
      { kind: 'github-watch', label: 'Watch for new issues' },
    ],
    note: 'Watching makes a webhook as the account. Every issue that is opened then starts a job, which thanks for it as the account.',
    standIn: 'Open an issue at the stand-in GitHub',
    arrivedTitle: 'Arrived at GitHub',
  },
  airtable: {
    actions: [{ kind: 'airtable-record', label: 'Add a record' }],
    standIn: 'Get a personal access token at the stand-in Airtable',
    arrivedTitle: 'Arrived in Airtable',
  },
  shopify: {
    actions: [{ kind: 'shopify-product', label: 'Add a product' }],
    standIn: 'See the products at the stand-in Shopify',
    arrivedTitle: 'Arrived in the shop',
  },
}

/** True when the text names a service. */
export const isServiceName = (text: string): text is ServiceName => Object.hasOwn(actionsOf, text)

// What can be done with each service once it is connected.

/** A service of the page. */
export type ServiceName = 'slack' | 'github' | 'airtable' | 'shopify'

interface ServiceActions {
  readonly actions: readonly { readonly kind: string; readonly label: string }[]
  readonly note?: string
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
    arrivedTitle: 'Arrived in Slack',
  },
  github: {
    actions: [
      { kind: 'github-comment', label: 'Comment on issue #1' },
      { kind: 'github-watch', label: 'Watch for new issues' },
    ],
    note: 'Watching makes a webhook as the account. Open an issue at the stand-in then: a job thanks for it as the account.',
    arrivedTitle: 'Arrived at GitHub',
  },
  airtable: {
    actions: [{ kind: 'airtable-record', label: 'Add a record' }],
    arrivedTitle: 'Arrived in Airtable',
  },
  shopify: {
    actions: [{ kind: 'shopify-product', label: 'Add a product' }],
    arrivedTitle: 'Arrived in the shop',
  },
}

/** True when the text names a service. */
export const isServiceName = (text: string): text is ServiceName => Object.hasOwn(actionsOf, text)

// The demo's authflow client with its four integrations: at the stand-ins, or at the real providers whose apps the
// environment names. The fallback to stand-ins lives here, in the demo, and nowhere in the library.

import { AuthFlow } from '../server/index.ts'
import { Airtable } from '../server/integrations/airtable.ts'
import { Github } from '../server/integrations/github.ts'
import { Shopify } from '../server/integrations/shopify.ts'
import { Slack } from '../server/integrations/slack.ts'
import type { Sandbox } from '../server/sandbox/sandbox.ts'
import type { DemoOptions, ServiceId } from './options.ts'

/** Scopes that the demo asks for. */
const scopes: Record<ServiceId, readonly string[]> = {
  slack: ['chat:write', 'channels:read', 'channels:join', 'groups:read'],
  github: ['repo'],
  airtable: ['data.records:read', 'data.records:write', 'schema.bases:read'],
  shopify: ['read_products', 'write_products'],
}

/** How the demo's parts come together. */
export interface DemoClientOptions {
  readonly options: DemoOptions
  readonly encryptionKeys: string
  readonly secretKeys: string
  /** Stand-ins; absent with real providers. */
  readonly sandbox?: Sandbox | undefined
  /** File with the script of the hosted page: the demo runs from sources, where the package's own is not built. */
  readonly pageScript: URL
}

/** The services of the demo that are there. */
export interface DemoIntegrations {
  readonly slack?: Slack<'slack-customers'> | undefined
  readonly github?: Github<'github-customers'> | undefined
  readonly airtable?: Airtable<'airtable-customers'> | undefined
  readonly shopify?: Shopify<'shopify-customers'> | undefined
}

/** The client, and its integrations by service. */
export interface DemoClient {
  readonly client: AuthFlow<DemoIntegration[]>
  readonly integrations: DemoIntegrations
}

type DemoIntegration = NonNullable<DemoIntegrations[keyof DemoIntegrations]>

/** Makes the client; does not start it. */
export function createDemoClient({
  options,
  encryptionKeys,
  secretKeys,
  sandbox,
  pageScript,
}: DemoClientOptions): DemoClient {
  const integrations = createIntegrations(options, sandbox)
  const present = Object.values(integrations).filter(
    (item: DemoIntegration | undefined) => item !== undefined,
  )
  const client = new AuthFlow({
    environment: 'demo',
    baseUrl: options.baseUrl,
    store: `sqlite:${options.dataDirectory}/demo.db`,
    encryptionKeys,
    secretKeys,
    integrations: present,
    connectPages: { origins: [options.baseUrl], name: 'Acme', script: pageScript },
    // Whoever tries the demo starts more often in a minute than an account does.
    rateLimits: { starts: 100 },
  })
  return { client, integrations }
}

function createIntegrations(options: DemoOptions, sandbox: Sandbox | undefined): DemoIntegrations {
  const appOf = (service: ServiceId) => options.apps[service] ?? sandbox?.[service].client
  const slack = appOf('slack')
  const github = appOf('github')
  const airtable = appOf('airtable')
  const shopify = appOf('shopify')
  return {
    slack:
      slack &&
      new Slack({
        id: 'slack-customers',
        connect: true,
        configure: 'channel',
        oauth: { ...slack, scopes: scopes.slack },
        ...(sandbox && { endpoints: sandbox.slack.endpoints }),
      }),
    github:
      github &&
      new Github({
        id: 'github-customers',
        connect: true,
        oauth: { ...github, scopes: scopes.github },
        ...(sandbox && { endpoints: sandbox.github.endpoints }),
      }),
    airtable:
      airtable &&
      new Airtable({
        id: 'airtable-customers',
        connect: true,
        oauth: { ...airtable, scopes: scopes.airtable },
        ...(sandbox && { endpoints: sandbox.airtable.endpoints }),
      }),
    shopify:
      shopify &&
      new Shopify({
        id: 'shopify-customers',
        connect: true,
        oauth: { ...shopify, scopes: scopes.shopify },
        ...(sandbox && { endpoints: sandbox.shopify.endpoints }),
      }),
  }
}

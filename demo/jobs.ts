// The demo's jobs: one for each service, started by an event of the account and run as that account. What they write
// names the account, so that two browsers can be told apart.

import { z } from 'zod'
import { DynamicTrigger, eventTrigger } from '../server/index.ts'
import { events } from '../server/integrations/github.ts'
import type { DemoClient, DemoIntegrations } from './client.ts'

type Service<Name extends keyof DemoIntegrations> = NonNullable<DemoIntegrations[Name]>
type Client = DemoClient['client']

/** Where the job writes at the real provider; the stand-in has this place. */
const airtableTable = 'Leads'

/** Defines every job whose integration is there. */
export function defineJobs({ client, integrations }: DemoClient): void {
  const { slack, github, airtable, shopify } = integrations
  if (slack) defineSlackJob(client, slack)
  if (github) {
    defineGithubJob(client, github)
    defineIssueJobs(client, github)
  }
  if (airtable) defineAirtableJob(client, airtable)
  if (shopify) defineShopifyJob(client, shopify)
}

function defineSlackJob(client: Client, slack: Service<'slack'>): void {
  client.defineJob({
    id: 'slack-notification',
    name: 'Slack notification',
    version: '1.0.0',
    trigger: eventTrigger({
      name: 'slack.notification',
      schema: z.object({ message: z.string().max(500), pauseSeconds: z.number().int().min(0).max(60) }),
    }),
    integrations: { slack },
    run: async ({ message, pauseSeconds }, io, ctx) => {
      const sender = ctx.account?.id ?? 'nobody'
      await io.logger.info(`account ${sender}`)
      // No channel: it goes where the account chose when it connected.
      const first = await io.slack.postMessage('notify', { text: `${message} (sent for ${sender})` })
      if (pauseSeconds === 0) return
      await io.wait('pause', pauseSeconds)
      await io.slack.postMessage('reply', {
        thread_ts: first.ts,
        text: `Done after ${pauseSeconds} s (sent for ${sender})`,
      })
    },
  })
}

function defineGithubJob(client: Client, github: Service<'github'>): void {
  client.defineJob({
    id: 'github-comment',
    name: 'GitHub comment',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'github.comment', schema: z.object({ message: z.string().max(500) }) }),
    integrations: { github },
    run: async ({ message }, io, ctx) => {
      const repository = await findRepository(io.github)
      await io.github.issues.createComment('comment', {
        ...repository,
        issue_number: 1,
        body: `${message} (sent for ${ctx.account?.id ?? 'nobody'})`,
      })
    },
  })
}

/** The repository of the account that was changed last. */
function findRepository(github: Service<'github'>): Promise<{ owner: string; repo: string }> {
  return github.runTask(
    'repository',
    async (octokit) => {
      const { data } = await octokit.rest.repos.listForAuthenticatedUser({ per_page: 1, sort: 'updated' })
      const [first] = data
      if (!first) throw new Error('The account has no repository.')
      return { owner: first.owner.login, repo: first.name }
    },
    { name: 'Find repository' },
  )
}

/** One job makes a webhook as the account, the other is started by it. */
function defineIssueJobs(client: Client, github: Service<'github'>): void {
  const issueOpened = new DynamicTrigger(client, {
    id: 'github-issue-opened',
    event: events.onIssueOpened,
    source: github.sources.repo,
  })
  client.defineJob({
    id: 'github-watch',
    name: 'Watch for new issues',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'github.watch' }),
    integrations: { github },
    run: async (_, io, ctx) => {
      if (!ctx.account) throw new Error('Watching needs an account.')
      const repository = await findRepository(io.github)
      const key = `${ctx.account.id}-${repository.owner}/${repository.repo}`
      await issueOpened.register(key, repository, { accountId: ctx.account.id })
    },
  })
  client.defineJob({
    id: 'github-thanks',
    name: 'GitHub thanks for an issue',
    version: '1.0.0',
    trigger: issueOpened,
    integrations: { github },
    run: async ({ issue, repository }, io, ctx) => {
      await io.github.issues.createComment('thanks', {
        owner: repository.owner.login,
        repo: repository.name,
        issue_number: issue.number,
        body: `Thanks for “${issue.title}”. (sent for ${ctx.account?.id ?? 'nobody'})`,
      })
    },
  })
}

function defineAirtableJob(client: Client, airtable: Service<'airtable'>): void {
  client.defineJob({
    id: 'airtable-record',
    name: 'Airtable record',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'airtable.record', schema: z.object({ title: z.string().max(500) }) }),
    integrations: { airtable },
    run: async ({ title }, io, ctx) => {
      const base = await io.airtable.runTask(
        'base',
        async (sdk) => {
          // The SDK has no call for the list of bases, but sends any request below its base path.
          const reply = await sdk.base('meta').makeRequest({ path: '/bases' })
          return baseList.parse(reply.body).bases[0].id
        },
        { name: 'Find base' },
      )
      await io.airtable
        .base(base)
        .table(airtableTable)
        .createRecords('record', [{ fields: { Name: `${title} (sent for ${ctx.account?.id ?? 'nobody'})` } }])
    },
  })
}

const baseList = z.object({ bases: z.tuple([z.object({ id: z.string() })], z.unknown()) })

function defineShopifyJob(client: Client, shopify: Service<'shopify'>): void {
  client.defineJob({
    id: 'shopify-product',
    name: 'Shopify product',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'shopify.product', schema: z.object({ title: z.string().max(200) }) }),
    integrations: { shopify },
    run: async ({ title }, io, ctx) => {
      const shop = await io.shopify.getShop('shop')
      await io.logger.info(`shop ${shop.name}`)
      await io.shopify.createProduct('product', { title: `${title} (for ${ctx.account?.id ?? 'nobody'})` })
    },
  })
}

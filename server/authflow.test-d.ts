// Types that users see: checked by the compiler, never run.

import { z } from 'zod'
import type { ApiKeyAuth, OAuth2Auth } from '../shared/auth.ts'
import type { RunSummary } from '../shared/flow.ts'
import type { AuthFlow } from './authflow.ts'
import { createClient } from './client.ts'
import type { Airtable } from './integrations/airtable.ts'
import type { Slack } from './integrations/slack.ts'
import type { Json } from './jobs/job.ts'
import { DynamicSchedule } from './triggers/dynamic-schedule.ts'
import { eventTrigger } from './triggers/event-trigger.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_T extends true>(): void => undefined

declare const client: AuthFlow<readonly [Slack<'slack-customers'>, Airtable<'airtable-customers'>]>
declare const slack: Slack<'slack-customers'>
const remote = createClient<typeof client>({ url: '', secretKey: '' })

async function getAuth(): Promise<void> {
  const account = { accountId: '123' }
  const local = await client.getAuth({ id: 'slack-customers', ...account })
  holds<Equal<typeof local, OAuth2Auth>>()
  const far = await remote.auth.get({ id: 'slack-customers', ...account })
  holds<Equal<typeof far, OAuth2Auth>>()
  const either = await remote.getAuth({ id: 'airtable-customers', ...account })
  holds<Equal<typeof either, OAuth2Auth | ApiKeyAuth>>()
  if (either.type === 'apiKey') holds<Equal<typeof either.apiKey, string>>()
  // @ts-expect-error no integration has this id
  await client.getAuth({ id: 'nobody', ...account })
  // @ts-expect-error nor here
  await remote.auth.get({ id: 'nobody', ...account })
  // @ts-expect-error the account is not optional
  await client.getAuth({ id: 'slack-customers' })
}

function defineJob(): void {
  client.defineJob({
    id: 'notify',
    name: 'Notify',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'notify', schema: z.object({ channel: z.string() }) }),
    integrations: { slack },
    run: async (payload, io) => {
      holds<Equal<typeof payload, { channel: string }>>()
      await io.slack.postMessage('post', { channel: payload.channel, text: 'hi' })
      // @ts-expect-error the job declared no such integration
      await io.github
    },
  })
  client.defineJob({
    id: 'plain',
    name: 'Plain',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'plain', schema: z.object({}) }),
    run: async (_payload, io) => {
      const length = await io.runTask('count', () => 'abc'.length)
      holds<Equal<typeof length, number>>()
      // @ts-expect-error without `integrations` there is none
      await io.slack
      return { length }
    },
  })
}

function useRun(): void {
  client.defineJob({
    id: 'everything',
    name: 'Everything',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'everything', schema: z.object({}) }),
    integrations: { slack },
    run: async (_payload, io) => {
      const lengths = await io.parallel('all', ['a', 'b'], (item, index) => {
        holds<Equal<typeof item, string>>()
        return item.length + index
      })
      holds<Equal<typeof lengths, number[]>>()
      const either = await io.try(
        () => io.random('draw', { min: 1, max: 6, round: true }),
        (error) => {
          holds<Equal<typeof error, unknown>>()
          return 'none'
        },
      )
      holds<Equal<typeof either, number | string>>()
      const status = await io.createStatus('status', { label: 'Working' })
      await status.update('done', { state: 'success', data: { count: 1 } })
      // @ts-expect-error no state
      await status.update('odd', { state: 'done' })
      // @ts-expect-error a status begins with a label
      await io.createStatus('bare', { state: 'loading' })
      const kept = await io.store.job.get('get', 'name')
      holds<Equal<typeof kept, Json | undefined>>()
      // @ts-expect-error values are JSON
      await io.store.run.set('set', 'name', new Map())
      const auth = await io.getAuth(slack)
      holds<Equal<typeof auth, OAuth2Auth>>()
    },
    onFailure: ({ error: { stack } }) => holds<Equal<typeof stack, string | null>>(),
  })
}

function defineResolvers(airtable: Airtable<'airtable-customers'>): void {
  client
    .defineAuthResolver(slack, (ctx, integration) => {
      holds<Equal<typeof integration, Slack<'slack-customers'>>>()
      return { type: 'oauth2', token: `token of ${ctx.account?.id}` }
    })
    .defineAuthResolver(airtable, async () => ({ type: 'apiKey', token: 'key' }))
  // @ts-expect-error Slack takes no API key
  client.defineAuthResolver(slack, () => ({ type: 'apiKey', token: 'key' }))
  // @ts-expect-error it has to give something
  client.defineAuthResolver(slack, () => undefined)
}

async function askAboutRuns(): Promise<void> {
  for (const api of [client, remote]) {
    const { output, tasks, cursor } = await api.getRun('run', { limit: 10 })
    holds<Equal<typeof output, Json>>()
    holds<Equal<(typeof tasks)[number]['attempts'], number>>()
    await api.getRun('run', cursor === undefined ? {} : { cursor })
    const { statuses } = await api.getRunStatuses('run')
    holds<Equal<(typeof statuses)[number]['state'], 'loading' | 'success' | 'failure'>>()
    const { items } = await api.getRuns({ job: 'sync', state: 'failed', accountId: '7' })
    holds<Equal<(typeof items)[number], RunSummary>>()
    // @ts-expect-error no state of a run
    await api.getRuns({ state: 'done' })
    new DynamicSchedule(api, { id: 'schedule' })
  }
}

void getAuth
void defineJob
void useRun
void defineResolvers
void askAboutRuns

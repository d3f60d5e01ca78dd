// Types that users see: checked by the compiler, never run.

import { z } from 'zod'
import type { ApiKeyAuth, OAuth2Auth } from '../shared/auth.ts'
import type { AuthFlow } from './authflow.ts'
import { createClient } from './client.ts'
import type { Airtable } from './integrations/airtable.ts'
import type { Slack } from './integrations/slack.ts'
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

void getAuth
void defineJob

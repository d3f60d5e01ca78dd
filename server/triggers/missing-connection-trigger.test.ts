// Jobs started by connections that runs wait for, through a whole server at the stand-in Slack.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connectSlack, startTestServer, type TestServer } from '../http/fixtures/test-server.ts'
import type { MissingConnection } from '../jobs/missing-connection.ts'
import { eventTrigger } from './event-trigger.ts'
import { missingConnectionResolvedTrigger, missingConnectionTrigger } from './missing-connection-trigger.ts'

const integration = 'slack-customers'

describe('missingConnectionTrigger and missingConnectionResolvedTrigger', () => {
  const heard: [string, MissingConnection, string | undefined][] = []
  let server: TestServer

  before(async () => {
    server = await startTestServer({ options: { worker: true } })
    const { client } = server
    const [slack] = server.integrations
    client.defineJob({
      id: 'list',
      name: 'List',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'list' }),
      integrations: { slack },
      run: async (_payload, io) => {
        await io.slack.listConversations('list')
      },
    })
    client.defineJob({
      id: 'missing',
      name: 'Missing',
      version: '1.0.0',
      trigger: missingConnectionTrigger({ integration }),
      run: async (payload, _io, ctx) => void heard.push(['missing', payload, ctx.account?.id]),
    })
    client.defineJob({
      id: 'resolved',
      name: 'Resolved',
      version: '1.0.0',
      trigger: missingConnectionResolvedTrigger(),
      run: async (payload, _io, ctx) => void heard.push(['resolved', payload, ctx.account?.id]),
    })
    client.defineJob({
      id: 'elsewhere',
      name: 'Elsewhere',
      version: '1.0.0',
      trigger: missingConnectionTrigger({ integration: ['airtable-customers'] }),
      run: async (payload) => void heard.push(['elsewhere', payload, undefined]),
    })
    await client.start()
  })
  after(() => server.close())

  async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
    for (let tries = 0; tries < 1_500; tries += 1) {
      if (await condition()) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.fail(`${what} did not happen`)
  }
  async function send(accountId: string): Promise<string> {
    const { runIds } = await server.client.sendEvent({ name: 'list', payload: {} }, { accountId })
    return runIds[0] ?? assert.fail('no run')
  }
  const is = (run: string, state: string): Promise<void> =>
    until(`the run is ${state}`, async () => (await server.client.runs.get({ id: run })).state === state)
  const ofKinds = (): string[] => heard.map(([kind]) => kind)

  it('tells once of a connection however many runs wait for it, and once that it is there', async () => {
    const runs = await Promise.all([send('ada'), send('ada'), send('ada')])
    for (const run of runs) await is(run, 'waiting_for_connection')
    await until('the notice', () => heard.length > 0)
    const later = await send('ada')
    await is(later, 'waiting_for_connection')
    const [first] = heard
    assert.deepEqual(first?.[1], {
      integration,
      accountId: 'ada',
      since: first?.[1].since,
      connection: null,
    })
    assert.equal(first[2], 'ada')
    await connectSlack(server, 'ada')
    for (const run of [...runs, later]) await is(run, 'succeeded')
    await until('the other notice', () => heard.length > 1)
    assert.deepEqual(ofKinds(), ['missing', 'resolved'])
    assert.deepEqual(
      [heard[1]?.[1].since, heard[1]?.[1].connection?.state, heard[1]?.[2]],
      [first[1].since, 'active', 'ada'],
    )
  })

  it('tells of one that was there before, with its state', async () => {
    heard.length = 0
    await server.client.connections.disconnect({ integration, accountId: 'ada' })
    const run = await send('ada')
    await is(run, 'waiting_for_connection')
    await until('the notice', () => heard.length > 0)
    assert.deepEqual([heard[0]?.[0], heard[0]?.[1].connection?.state], ['missing', 'disconnected'])
    await connectSlack(server, 'ada')
    await is(run, 'succeeded')
    await until('the other notice', () => heard.length > 1)
    assert.deepEqual(ofKinds(), ['missing', 'resolved'])
  })

  it('says nothing of connections that no run waits for', async () => {
    heard.length = 0
    await connectSlack(server, 'grace')
    await is(await send('grace'), 'succeeded')
    assert.deepEqual(heard, [])
  })

  it('refuse an empty list of integrations', () => {
    assert.throws(() => missingConnectionTrigger({ integration: [] }), { code: 'invalid_input' })
  })
})

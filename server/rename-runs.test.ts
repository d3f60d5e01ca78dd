// A whole server whose account is renamed while its runs wait: they go on as the account under its new name.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connectSlack, startTestServer, type TestServer } from './http/fixtures/test-server.ts'
import { DynamicSchedule } from './triggers/dynamic-schedule.ts'
import { eventTrigger } from './triggers/event-trigger.ts'

const integration = 'slack-customers'

describe('AuthFlow.accounts.rename', () => {
  let server: TestServer

  before(async () => {
    server = await startTestServer({ options: { worker: true } })
    const [slack] = server.integrations
    server.client.defineJob({
      id: 'list',
      name: 'List',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'list' }),
      integrations: { slack },
      run: async (_payload, io) => {
        await io.slack.listConversations('list')
      },
    })
    await server.client.start()
  })
  after(() => server.close())

  const stateOf = async (runId: string): Promise<string> =>
    (await server.client.runs.get({ id: runId })).state
  const until = async (runId: string, state: string): Promise<void> => {
    for (let tries = 0; tries < 1_500; tries += 1) {
      if ((await stateOf(runId)) === state) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.fail(`the run is ${await stateOf(runId)}, not ${state}`)
  }
  const found = async (what: string, look: () => Promise<string | undefined>): Promise<string> => {
    for (let tries = 0; tries < 1_500; tries += 1) {
      const id = await look()
      if (id !== undefined) return id
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return assert.fail(`${what} is not there`)
  }
  const send = async (accountId: string): Promise<string> => {
    const { runIds } = await server.client.sendEvent({ name: 'list', payload: {} }, { accountId })
    assert.equal(runIds.length, 1)
    return runIds[0] ?? ''
  }

  it('wakes runs that waited under the old name once the new one connects', async () => {
    const run = await send('early')
    await until(run, 'waiting_for_connection')
    assert.deepEqual(await server.client.accounts.rename({ from: 'early', to: 'late' }), {
      from: 'early',
      to: 'late',
      moved: 0,
      done: true,
    })
    await connectSlack(server, 'late')
    await until(run, 'succeeded')
    const trail = await server.client.audit.list({ integration, action: 'connection.connected' })
    assert.deepEqual(
      trail.items.map(({ accountId }) => accountId),
      ['late'],
    )
  })

  it('wakes runs that waited for a broken connection with the connection that was moved', async () => {
    await connectSlack(server, 'first')
    await server.client.connections.disconnect({ integration, accountId: 'first' })
    const run = await send('first')
    await until(run, 'waiting_for_connection')
    await server.client.accounts.rename({ from: 'first', to: 'second' })
    await connectSlack(server, 'second')
    await until(run, 'succeeded')
  })

  it('keeps events that are delivered later, and schedules, with the account that they were meant for', async () => {
    const [slack] = server.integrations
    const reports = new DynamicSchedule(server.client, { id: 'reports' })
    server.client.defineJob({
      id: 'report',
      name: 'Report',
      version: '1.0.0',
      trigger: reports,
      integrations: { slack },
      run: async (_payload, io) => {
        await io.slack.listConversations('list')
      },
    })
    await connectSlack(server, 'jo')
    const { id } = await server.client.sendEvent(
      { name: 'list', payload: {} },
      { accountId: 'jo', deliverAfter: 1 },
    )
    await reports.register('jo', { type: 'interval', options: { seconds: 1 }, accountId: 'jo' })
    await server.client.accounts.rename({ from: 'jo', to: 'joe' })
    const event = await found('the delayed event', async () => {
      const { runs } = await server.client.events.get({ id, accountId: 'jo' })
      return runs[0]?.id
    })
    const scheduled = await found('a run of the schedule', async () => {
      const { items } = await server.client.runs.list({ job: 'report' })
      return items[0]?.id
    })
    await reports.unregister('jo')
    // Nobody has the old name: without the new one they would wait for a connection.
    for (const run of [event, scheduled]) await until(run, 'succeeded')
    await until((await server.client.runs.replay({ id: event })).id, 'succeeded')
  })

  it('lets whoever takes the old name later have nothing of it', async () => {
    await connectSlack(server, 'old')
    await server.client.accounts.rename({ from: 'old', to: 'new' })
    const run = await send('old')
    await until(run, 'waiting_for_connection')
    await connectSlack(server, 'old')
    await until(run, 'succeeded')
  })
})

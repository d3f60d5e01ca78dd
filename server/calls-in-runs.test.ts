// Calls of the client in the code of a run: what every replay would do again is refused there.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isAuthFlowError } from '../shared/errors.ts'
import { startTestServer, type TestServer } from './http/fixtures/test-server.ts'
import { until } from './jobs/fixtures/engine-fixture.ts'
import type { Json } from './jobs/job.ts'
import { invokeTrigger } from './triggers/invoke-trigger.ts'

describe('the client in the code of a run', () => {
  let server: TestServer
  /** What the next run does in its code, and in a task. */
  let act: () => Promise<unknown> = () => Promise.resolve()
  before(async () => {
    server = await startTestServer({ options: { worker: true } })
    const trigger = invokeTrigger()
    server.client.defineJob({ id: 'idle', name: 'Idle', version: '1.0.0', trigger, run: () => {} })
    server.client.defineJob({
      id: 'act',
      name: 'Act',
      version: '1.0.0',
      trigger,
      run: async (isTask, io) => {
        if (isTask === true) await io.runTask('act', async () => void (await act()))
        else await act()
      },
    })
  })
  after(() => server.close())

  /** Lets a run do it; gives the message of what it was refused with. */
  async function refusalOf(work: () => Promise<unknown>, isTask: Json): Promise<string | undefined> {
    let refusal: unknown
    act = () => work().catch((error: unknown) => (refusal = error))
    const { id } = await server.client.invoke('act', isTask)
    await until('the run is over', async () => (await server.client.getRun(id)).state === 'succeeded')
    if (refusal === undefined) return undefined
    assert.ok(isAuthFlowError(refusal) && refusal.code === 'invalid_input', String(refusal))
    return refusal.message
  }

  const event = { name: 'x', payload: null }
  type Work = () => Promise<unknown>
  const calls: Readonly<Record<string, { readonly refused: Work; readonly allowed: Work }>> = {
    sendEvent: {
      refused: () => server.client.sendEvent(event),
      allowed: () => server.client.sendEvent({ ...event, id: 'own' }),
    },
    sendEvents: {
      refused: () => server.client.sendEvents([{ ...event, id: 'first' }, event]),
      allowed: () => server.client.sendEvents([{ ...event, id: 'first' }]),
    },
    invoke: {
      refused: () => server.client.invoke('idle', null, { accountId: 'ada' }),
      allowed: () => server.client.invoke('idle', null, { idempotencyKey: 'one' }),
    },
    batchInvoke: {
      refused: () => server.client.batchInvoke('idle', [{ payload: null }]),
      allowed: () => server.client.batchInvoke('idle', [{ payload: null, idempotencyKey: 'two' }]),
    },
  }
  for (const [name, { refused, allowed }] of Object.entries(calls)) {
    it(`refuses ${name} without an id, and takes it with one and in a task`, async () => {
      const message = await refusalOf(refused, false)
      assert.match(
        message ?? '',
        new RegExp(`^client\\.${name} .*Use io\\.${name}\\('key', …\\), or give an`),
      )
      assert.equal(await refusalOf(allowed, false), undefined)
      assert.equal(await refusalOf(refused, true), undefined)
    })
  }

  it('refuses invoke without options', async () => {
    assert.match((await refusalOf(() => server.client.invoke('idle', null), false)) ?? '', /idempotencyKey/)
  })

  it('refuses to replay a run, but in a task', async () => {
    const { id } = await server.client.invoke('idle', null)
    await until('it is over', async () => (await server.client.getRun(id)).state === 'succeeded')
    const replay = (): Promise<unknown> => server.client.replayRun(id)
    assert.match((await refusalOf(replay, false)) ?? '', /in a task/)
    assert.equal(await refusalOf(replay, true), undefined)
  })
})

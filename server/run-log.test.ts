// What the log says of the run that a line was made in.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import type { Logger } from '../shared/log.ts'
import { connectAirtable, startTestServer, type TestServer } from './http/fixtures/test-server.ts'
import { currentRun } from './index.ts'
import { openLog } from './log.ts'
import { eventTrigger } from './triggers/event-trigger.ts'

interface Line {
  readonly level: string
  readonly message: string
  readonly facts: Record<string, unknown>
}

function keepLines(): Logger & { readonly lines: Line[] } {
  const lines: Line[] = []
  const keep =
    (level: string): Logger['info'] =>
    (facts, message) =>
      void lines.push({ level, message, facts })
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }
}

let server: TestServer
let log: ReturnType<typeof keepLines>

beforeEach(() => (log = keepLines()))
afterEach(() => server.close())

const start = async (logRunLines: boolean): Promise<void> => {
  server = await startTestServer({ options: { worker: true, logger: log, logRunLines } })
}

async function reaches(id: string, state: string): Promise<void> {
  const deadline = Date.now() + 10_000
  while ((await server.client.runs.get({ id })).state !== state) {
    assert(Date.now() < deadline, `the run is not ${state}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const trigger = eventTrigger({ name: 'go', schema: z.object({ token: z.string() }) })
const token = 'xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy'

/** A job that says something, sleeps, and comes back past it. */
function defineTalker(): void {
  server.client.defineJob({
    id: 'talker',
    name: 'Talker',
    version: '2.1.0',
    trigger,
    run: async (payload, io) => {
      io.logger.info('at the start')
      await io.runTask(
        'outer',
        ({ attempt }) => {
          if (attempt === 1) throw new Error('not yet')
          return io.runTask(
            'inner',
            () => void io.logger.warn(`sent ${payload.token}`, { count: 3, ...payload }),
          )
        },
        { retry: { limit: 2, minTimeoutInMs: 1 } },
      )
      await io.wait('a moment', 0.2)
    },
  })
}

async function run(): Promise<string> {
  const { runIds } = await server.client.sendEvent({ name: 'go', payload: { token } }, { accountId: 'ada' })
  return runIds[0] ?? ''
}

describe('log lines of a run', () => {
  it('of io.logger go to the log when asked for, once, with run, job, account and attempt, and without secrets', async () => {
    await start(true)
    defineTalker()
    const id = await run()
    await reaches(id, 'succeeded')
    const lines = log.lines.filter(({ facts }) => facts['by'] === 'io.logger')
    const about = { run: id, job: 'talker', version: '2.1.0', account: 'ada', execution: 1, by: 'io.logger' }
    assert.deepEqual(lines, [
      { level: 'info', message: 'at the start', facts: { ...about, facts: {} } },
      {
        level: 'warn',
        message: 'sent [secret]',
        facts: { ...about, task: 'outer/inner', attempt: 1, facts: { count: 3, token: '[secret]' } },
      },
    ])
  })

  it('of io.logger stay in the run unless asked for', async () => {
    await start(false)
    defineTalker()
    await reaches(await run(), 'succeeded')
    assert(!JSON.stringify(log.lines).includes('at the start'))
  })

  it('of the library say in which task they were made', async () => {
    await start(false)
    await connectAirtable(server)
    const [, airtable] = server.integrations
    server.client.defineJob({
      id: 'reader',
      name: 'Reader',
      version: '1.0.0',
      trigger,
      integrations: { airtable },
      run: async (_, io) => {
        await io.runTask('ask', async () => {
          const { tokenHash } = await server.client.getAuth({ id: 'airtable-customers', accountId: 'ada' })
          server.sandbox.airtable.faults.next({ status: 500 })
          const again = { id: 'airtable-customers', accountId: 'ada', rejectedTokenHash: tokenHash } as const
          await server.client.getAuth(again).catch(() => undefined)
        })
      },
    })
    const id = await run()
    await reaches(id, 'succeeded')
    const line = log.lines.find(({ message }) => message === 'an access token could not be refreshed')
    assert(line, JSON.stringify(log.lines))
    const { run: ofRun, job, account, task, attempt, integration } = line.facts
    assert.deepEqual(
      { ofRun, job, account, task, attempt, integration },
      {
        ofRun: id,
        job: 'reader',
        account: 'ada',
        task: 'ask',
        attempt: 1,
        integration: 'airtable-customers',
      },
    )
  })

  it('that say how a run failed name its account', async () => {
    await start(false)
    server.client.defineJob({
      id: 'broken',
      name: 'Broken',
      version: '1.0.0',
      trigger,
      run: () => Promise.reject(new Error('no')),
      onFailure: () => Promise.reject(new Error('neither')),
    })
    const id = await run()
    await reaches(id, 'failed')
    const deadline = Date.now() + 5000
    while (!log.lines.some(({ message }) => message === 'a hook of the job threw')) {
      assert(Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const errors = log.lines.filter(({ level }) => level === 'error')
    assert.equal(errors.length, 2)
    for (const { facts } of errors)
      assert.deepEqual([facts['run'], facts['job'], facts['account']], [id, 'broken', 'ada'])
  })
})

describe('currentRun', () => {
  it('is for the host’s own log: the run and task whose code calls, and nothing outside', async () => {
    await start(false)
    const seen: unknown[] = []
    server.client.defineJob({
      id: 'asks',
      name: 'Asks',
      version: '1.0.0',
      trigger,
      run: async (_, io) => {
        seen.push(currentRun())
        await io.runTask('task', async () => {
          await new Promise((resolve) => setTimeout(resolve, 1))
          seen.push(currentRun())
        })
      },
    })
    const id = await run()
    await reaches(id, 'succeeded')
    const about = { run: id, job: 'asks', version: '1.0.0', account: 'ada', execution: 1 }
    assert.deepEqual(seen, [about, { ...about, task: 'task', attempt: 1 }])
    assert.equal(currentRun(), undefined)
  })
})

describe('openLog', () => {
  it('lets a line say more than its surroundings', async () => {
    await start(false)
    openLog({ logger: log, integrations: [], around: () => ({ run: 'one', trace_id: 'abc' }) }).info(
      { run: 'two' },
      'hello',
    )
    assert.deepEqual(log.lines.at(-1)?.facts, { run: 'two', trace_id: 'abc' })
  })
})

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { isAuthFlowError } from '../shared/errors.ts'
import { randomText } from '../shared/ids.ts'
import { createClient } from './client.ts'
import {
  callApi,
  callPublic,
  connectSlack,
  dig,
  pageOrigin,
  secretKeys,
  startTestServer,
} from './http/fixtures/test-server.ts'

const script = (name: string): string => join(import.meta.dirname, 'http', 'fixtures', name)

describe('createClient', () => {
  it('names the option that is missing or wrong', () => {
    const url = 'https://connect.example.com'
    const wrong = [
      [{ url: undefined, secretKey: secretKeys.admin }, 'missing_option', 'url'],
      [{ url, secretKey: undefined }, 'missing_option', 'secretKey'],
      [{ url: 'connect.example.com', secretKey: secretKeys.admin }, 'invalid_option', 'url'],
      [{ url, secretKey: 'ctk_ct_x' }, 'invalid_option', 'secretKey'],
      [{ url, secretKey: secretKeys.admin, timeoutMs: 0 }, 'invalid_option', 'timeoutMs'],
    ] as const
    for (const [options, code, option] of wrong) {
      assert.throws(
        () => createClient(options),
        (error: unknown) => isAuthFlowError(error) && error.code === code && error.details.option === option,
      )
    }
  })

  it('drives a server from another process', async () => {
    const server = await startTestServer()
    try {
      await connectSlack(server)
      const { stdout } = await promisify(execFile)(process.execPath, [
        '--import',
        'tsx',
        script('backend.ts'),
        server.url,
        secretKeys.admin,
      ])
      const report: unknown = JSON.parse(stdout)
      assert.match(String(dig(report, 'accessToken')), /^xoxb-/)
      assert.match(String(dig(report, 'token')), /^ctk_ct_/)
      assert.equal(dig(report, 'event', 'timestamp'), '1970-01-01T00:00:00.000Z')
      assert.deepEqual(dig(report, 'again'), dig(report, 'event'))
      assert.deepEqual(
        ['sameAuth', 'connections', 'connection', 'runs', 'disconnected'].map((name) => dig(report, name)),
        [true, 1, 'active', 0, 'disconnected'],
      )
      assert.deepEqual(dig(report, 'codes'), [
        'not_connected 409 false',
        'not_found 404 false',
        'invalid_input 400 false',
        'key_invalid 401 false',
        'network_error 503 true',
        'network_error 503 true',
      ])
    } finally {
      await server.close()
    }
  })

  it('delays and takes back events, and gets the codes of what controls runs', async () => {
    const server = await startTestServer()
    try {
      const client = createClient({ url: server.url, secretKey: secretKeys.jobs })
      const event = { id: 'e1', name: 'nothing.listens', payload: { n: 1 }, timestamp: new Date(0) }
      const deliverAt = new Date(Date.now() + 3_600_000)
      const sent = await client.sendEvent(event, { accountId: 'ada', deliverAt })
      assert.deepEqual([sent.state, sent.timestamp], ['delayed', '1970-01-01T00:00:00.000Z'])
      const query = { id: 'e1', accountId: 'ada' }
      assert.equal((await client.events.get(query)).deliverAt, deliverAt.toISOString())
      assert.equal((await client.events.cancel(query)).state, 'cancelled')
      const many = await client.sendEvents([{ ...event, id: 'e2' }], { deliverAfter: 60 })
      assert.deepEqual(
        many.map(({ id, state }) => [id, state]),
        [['e2', 'delayed']],
      )
      assert.deepEqual((await client.runs.list({ state: 'failed' })).items, [])
      const none = { id: 'no-such-run' }
      for (const [call, code] of [
        [() => client.events.get({ id: 'e1' }), 'not_found'],
        [() => client.sendEvent(event, { deliverAt: new Date(Number.NaN) }), 'invalid_input'],
        [() => client.invoke('no-such-job', null), 'unknown_job'],
        [() => client.runs.cancel(none), 'not_found'],
        [() => client.runs.replay(none), 'not_found'],
        [() => client.runs.resume(none), 'not_found'],
      ] as const) {
        await assert.rejects(call(), { code })
      }
    } finally {
      await server.close()
    }
  })

  it('gives up after its time', async () => {
    const server = await startTestServer({ mount: () => () => undefined })
    try {
      const client = createClient({ url: server.url, secretKey: secretKeys.admin, timeoutMs: 50 })
      await assert.rejects(
        client.runs.list(),
        (error: unknown) => isAuthFlowError(error) && error.code === 'network_error',
      )
    } finally {
      await server.close()
    }
  })
})

describe('a process that listens', () => {
  it('drains at SIGTERM: answers the held poll and what is under way, then ends with 0', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'authflow-signal-'))
    const store = `sqlite:${join(directory, 'test.db')}`
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', script('listening.ts'), store, 'http://localhost:1/auth'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    try {
      const [chunk] = await once(child.stdout, 'data')
      const server = { url: `http://127.0.0.1:${Number(String(chunk))}/auth` }
      const minted = await callApi(server, 'connectTokens.create', {
        key: secretKeys.create,
        input: { accountId: 'ada', integrations: ['slack-customers'], origins: [pageOrigin] },
      })
      const token = String(dig(minted.body, 'result', 'data', 'token'))
      const flowId = randomText(22)
      const begun = await callPublic(server, 'flows.begin', {
        token,
        input: { flowId, integration: 'slack-customers' },
      })
      const version = dig(begun.body, 'result', 'data', 'version')
      const poll = callPublic(server, 'flows.watch', {
        token,
        input: { flows: [{ id: flowId, version }], waitMs: 25_000 },
      })
      await new Promise((resolve) => setTimeout(resolve, 100))
      const exited = once(child, 'exit')
      const agent = new Agent({ keepAlive: true })
      const load = () => Array.from({ length: 20 }, () => listRuns(agent, server.url))
      await Promise.all(load())
      const busy = load()
      child.kill('SIGTERM')
      const { status, body } = await poll
      assert.deepEqual([status, dig(body, 'result', 'data')], [200, []])
      assert.deepEqual(
        await Promise.all(busy),
        Array.from({ length: 20 }, () => 200),
      )
      assert.deepEqual(await exited, [0, null])
      await assert.rejects(fetch(`${server.url}/healthz`))
    } finally {
      child.kill('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    }
  })
})

/** The status of a call over one of the agent's connections, which are reused. */
function listRuns(agent: Agent, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${secretKeys.jobs}` }
    request(`${url}/api/trpc/runs.list`, { method: 'POST', agent, headers }, (res) => {
      res.resume().once('end', () => resolve(res.statusCode))
    })
      .once('error', reject)
      .end('{}')
  })
}

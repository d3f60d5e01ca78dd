import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { AuthFlow } from './authflow.ts'
import { until } from './jobs/fixtures/engine-fixture.ts'
import { noRedisServer, startRedisServer, type RedisServer } from './queue/fixtures/redis-server.ts'
import type { IntegrationList } from './server-api.ts'
import { eventTrigger } from './triggers/event-trigger.ts'

const folder = mkdtempSync(join(tmpdir(), 'authflow-open-queue-'))
const open: AuthFlow<IntegrationList>[] = []

function serverWith(queue: string): AuthFlow<IntegrationList> {
  const server = new AuthFlow<IntegrationList>({
    environment: 'test',
    baseUrl: 'http://localhost:1',
    store: `sqlite:${join(folder, `${open.length}.db`)}`,
    queue,
    encryptionKeys: `k1:${randomBytes(32).toString('base64')}`,
    integrations: [],
    log: 'silent',
  })
  open.push(server)
  server.defineJob({
    id: 'job',
    name: 'Job',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'job' }),
    run: async (_, io) => {
      await io.runTask('first', () => 1)
      await io.wait('pause', 0.2)
    },
  })
  return server
}

async function runOnce(server: AuthFlow<IntegrationList>, ms: number): Promise<void> {
  const { runIds } = await server.sendEvent({ name: 'job', payload: null })
  const [id = ''] = runIds
  await until(
    'the run succeeds',
    async () => (await server.runs.get({ id })).state === 'succeeded' || undefined,
    ms,
  )
}

afterEach(async () => {
  for (const server of open) await server.close()
})
after(() => rmSync(folder, { recursive: true, force: true }))

describe('a server whose queue is on Redis', { skip: noRedisServer }, () => {
  let redis: RedisServer
  before(async () => void (redis = await startRedisServer()))
  after(() => redis.close())

  it('works, goes on without Redis, and says so when it is asked whether it is ready', async () => {
    const server = serverWith(redis.url)
    const { port } = await server.listen(0, '127.0.0.1')
    assert.equal(server.inspect().queue, 'redis')
    const ready = async (): Promise<unknown> => (await fetch(`http://127.0.0.1:${port}/readyz`)).json()
    assert.deepEqual(await ready(), { status: 'ready' })
    await runOnce(server, 20_000)
    await redis.kill()
    await until(
      'it says that the queue is away',
      async () => JSON.stringify(await ready()) === '{"status":"ready","queue":"away"}' || undefined,
      20_000,
    )
    await runOnce(server, 60_000)
    await redis.start()
    await until(
      'it says that all is well',
      async () => JSON.stringify(await ready()) === '{"status":"ready"}' || undefined,
      20_000,
    )
    await runOnce(server, 20_000)
  })
})

describe('openQueue without its packages', () => {
  for (const missing of ['bullmq', 'ioredis']) {
    it(`says how to install ${missing}`, () => {
      // In a process of its own, where Node answers as if the package were not installed.
      const hook = `export async function resolve(name, context, next) {
        if (name !== '${missing}') return next(name, context)
        throw Object.assign(new Error("Cannot find package '${missing}'"), { code: 'ERR_MODULE_NOT_FOUND' })
      }`
      const script = `
        import { register } from 'node:module'
        register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)})
        const { openQueue } = await import('${import.meta.resolve('./open-queue.ts')}')
        const target = { kind: 'server', node: { host: '127.0.0.1', port: 1, tls: false }, db: 0 }
        const found = await openQueue({ target, environment: 'test' }).catch((error) => error)
        console.log(found.code, found.message)`
      const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script]
      const { stdout } = spawnSync(process.execPath, args)
      assert.match(stdout.toString(), new RegExp(`^missing_peer .*npm install ${missing}\\n$`))
    })
  }
})

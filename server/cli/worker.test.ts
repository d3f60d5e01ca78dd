import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AuthFlow } from '../authflow.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import type { Json } from '../jobs/job.ts'
import type { IntegrationList } from '../server-api.ts'
import { startCliWorker, writeJobsConfig, type CliWorker } from './fixtures/jobs-config.ts'
import { runCli } from './fixtures/run-cli.ts'

const patienceMs = 60_000

let folder: string
let sender: AuthFlow<IntegrationList>
let workers: CliWorker[]
let config: (version: string) => string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'authflow-worker-'))
  writeFileSync(join(folder, 'effects'), '')
  workers = []
  const store = `sqlite:${join(folder, 'jobs.db')}`
  const encryptionKeys = `k1:${randomBytes(32).toString('base64')}`
  config = (version) => writeJobsConfig({ folder, store, encryptionKeys, version })
  sender = new AuthFlow<IntegrationList>({
    environment: 'test',
    baseUrl: 'http://localhost:1/auth',
    store,
    encryptionKeys,
    integrations: [],
    worker: false,
    log: 'silent',
  })
})

afterEach(async () => {
  for (const worker of workers) await worker.stop('SIGKILL')
  await sender.close()
  rmSync(folder, { recursive: true, force: true })
})

async function startWorker(path: string, args?: readonly string[]): Promise<CliWorker> {
  const worker = await startCliWorker(path, args)
  workers.push(worker)
  return worker
}

/** Sends the event once a worker that the sender has heard of knows the job. */
async function send(payload: Json, version = '1.0.0'): Promise<string> {
  return until(
    `an event starts a run of ${version}`,
    async () => {
      const [id] = (await sender.sendEvent({ name: 'slow', payload })).runIds
      if (id === undefined) return undefined
      const { jobVersion } = await sender.runs.get({ id })
      return jobVersion === version ? id : void (await sender.runs.cancel({ id }))
    },
    patienceMs,
  )
}

const effects = (): string[] => readFileSync(join(folder, 'effects'), 'utf8').split('\n').slice(0, -1)
const hasHappened = (effect: string): Promise<true> =>
  until(effect, () => effects().includes(effect) || undefined, patienceMs)
const ends = (id: string): Promise<true> =>
  until('the run ends', async () => (await sender.runs.get({ id })).endedAt !== null || undefined, patienceMs)

describe('authflow worker', () => {
  it('says what it works on, answers probes and nothing else', async () => {
    const worker = await startWorker(config('1.0.0'), ['--health', '0', '--host', '127.0.0.1'])
    const { pid, jobs, store, queue, health } = worker.started.working
    assert.deepEqual([pid, jobs, store, queue], [worker.child.pid, ['slow@1.0.0'], 'sqlite', 'store'])
    const at = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${Number(health)}${path}`)
    assert.deepEqual(await (await at('/healthz')).json(), { status: 'ok' })
    assert.deepEqual(await (await at('/readyz')).json(), { status: 'ready' })
    assert.match(await (await at('/metrics')).text(), /authflow_queue_lag_seconds/)
    for (const path of ['/', '/connect/trpc/flows.get', '/auth/healthz', '/api/trpc/runs.list'])
      assert.equal((await at(path)).status, 404, path)
    assert.equal((await worker.stop()).code, 0)
  })

  it('lets running tasks end when it is told to stop, and leaves the rest to others', async () => {
    const path = config('1.0.0')
    const first = await startWorker(path, ['--concurrency', '1'])
    const running = await send({ ms: 1500 })
    await hasHappened(`1.0.0 ${running} begun`)
    const waiting = await send({ ms: 1 })
    const { code, lines } = await first.stop()
    assert.deepEqual([code, lines.at(-1)], [0, '{"stopped":true}'])
    assert.equal((await sender.runs.get({ id: running })).state, 'succeeded')
    assert.equal((await sender.runs.get({ id: waiting })).state, 'queued')
    assert.deepEqual(effects(), [`1.0.0 ${running} begun`, `1.0.0 ${running} done`])
    await startWorker(path)
    await ends(waiting)
    assert.equal(effects().length, 4)
  })

  it('stays with the version that a run began with while two versions are deployed', async () => {
    const old = await startWorker(config('1.0.0'))
    const asleep = await send({ ms: 1, sleep: 4 })
    const late = await send({ ms: 1, sleep: 20 })
    const young = await startWorker(config('1.10.0'))
    const fresh = await send({ ms: 1 }, '1.10.0')
    await ends(fresh)
    await ends(asleep)
    await old.stop()
    assert.deepEqual(
      effects()
        .filter((line) => line.includes(asleep) || line.includes(fresh))
        .toSorted(),
      [`1.0.0 ${asleep} begun`, `1.0.0 ${asleep} done`, `1.10.0 ${fresh} begun`, `1.10.0 ${fresh} done`],
    )
    const { state, jobVersion } = await sender.runs.get({ id: late })
    assert.deepEqual([state, jobVersion], ['waiting', '1.0.0'], 'nobody else takes it')
    assert.equal((await young.stop()).code, 0)
  })

  it('refuses a file that defines no job, and numbers that can not be', async () => {
    const path = join(folder, 'empty.mts')
    const text = readFileSync(config('1.0.0'), 'utf8')
    writeFileSync(path, text.slice(0, text.indexOf('client.defineJob')))
    const refused = await runCli(['--config', path, 'worker'])
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /defines no job/)
    assert.equal((await runCli(['--config', path, 'worker', '--concurrency', '0'])).code, 2)
  })
})

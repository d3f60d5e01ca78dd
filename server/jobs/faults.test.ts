// Workers that are killed. AUTHFLOW_LONG=1 kills two hundred times over a thousand runs and freezes workers too.

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { defineCrashJobs, stepCount } from './fixtures/crash-worker.ts'
import {
  createDirectory,
  encryptionKeys,
  openEngine,
  reaches,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import { runs } from './records.ts'

const isLong = process.env['AUTHFLOW_LONG'] === '1'
const runCount = isLong ? 1000 : 60
const killCount = isLong ? 200 : 2
const script = fileURLToPath(new URL('./fixtures/crash-worker.ts', import.meta.url))

let directory: ReturnType<typeof createDirectory>
let fixture: EngineFixture
const children = new Set<ChildProcess>()

beforeEach(async () => {
  directory = createDirectory()
  // Only sends and looks: it is never started.
  fixture = await openEngine(directory.path)
  defineCrashJobs(fixture.engine, () => undefined)
})

afterEach(async () => {
  for (const child of children) await kill(child)
  await fixture.close()
  directory.remove()
})

async function startWorker(): Promise<ChildProcess> {
  const env = { ...process.env, CRASH_WORKER_DIRECTORY: directory.path, TEST_ENCRYPTION_KEYS: encryptionKeys }
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.add(child)
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('exit', () => reject(new Error('the worker ended before it was ready')))
  })
  return child
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    children.delete(child)
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

const send = async (name: string, count: number): Promise<string[]> => {
  const sent = await Promise.all(
    Array.from({ length: count }, () => fixture.engine.sendEvent({ name, payload: null })),
  )
  return sent.flatMap(({ runIds }) => runIds)
}

const effects = (): string[] => {
  const path = join(directory.path, 'effects')
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
}

/** Every task whose result is in the store, as effects are written down. */
async function committed(ids: readonly string[]): Promise<Set<string>> {
  const found = await fixture.store.getMany(runs, ids)
  return new Set(
    found.flatMap((run) =>
      (run.journal?.flat() ?? [])
        .filter(({ state }) => state === 'succeeded')
        .map(({ path }) => `${run.id} ${path}`),
    ),
  )
}

describe('a worker that is killed', () => {
  it(
    'loses no run, and no task runs again once its result is stored',
    { timeout: isLong ? 1_800_000 : 180_000 },
    async () => {
      const ids = await send('steps', runCount)
      let child = await startWorker()
      let extra = 0
      for (let round = 0; round < killCount; round += 1) {
        const before = effects().length
        await until('it works', () => (effects().length > before + 20 ? true : undefined), 60_000)
        await kill(child)
        const stored = await committed(ids)
        const then = effects().length
        child = await startWorker()
        // What was stored when the process died must never happen again.
        await until(
          'it goes on',
          () => (effects().length > then || stored.size === runCount * stepCount ? true : undefined),
          30_000,
        )
        for (const line of effects().slice(then))
          assert.ok(!stored.has(line), `${line} ran again after it was stored`)
        if (stored.size === runCount * stepCount) break
      }
      await until(
        'all runs are done',
        async () => {
          const found = await fixture.store.getMany(runs, ids)
          return found.every(({ state }) => state === 'succeeded') ? true : undefined
        },
        isLong ? 300_000 : 90_000,
      )
      const all = effects()
      extra = all.length - new Set(all).size
      assert.equal(new Set(all).size, runCount * stepCount)
      assert.equal((await committed(ids)).size, runCount * stepCount)
      assert.ok(
        extra <= killCount * 10,
        `${extra} tasks ran more often than once, ten are in flight at a kill`,
      )
    },
  )

  it('leaves a task that may not be repeated failed, not repeated', { timeout: 60_000 }, async () => {
    const child = await startWorker()
    const [id] = await send('once', 1)
    await until('the charge has begun', async () => {
      const [run] = await fixture.store.getMany(runs, [id ?? ''])
      return run?.journal?.flat().some(({ state }) => state === 'started') === true ? true : undefined
    })
    await kill(child)
    const killed = performance.now()
    await startWorker()
    const summary = await reaches(fixture.engine, id, 'failed', 10_000)
    assert.equal(summary.error?.code, 'task_interrupted')
    assert.deepEqual(effects(), [])
    assert.ok(performance.now() - killed < 10_000)
  })

  it(
    'is not killed for ever by one run',
    { timeout: 60_000, skip: isLong ? false : 'AUTHFLOW_LONG=1 runs it' },
    async () => {
      const [id] = await send('poison', 1)
      for (let round = 0; round < 4; round += 1) {
        const child = await startWorker().catch(() => undefined)
        if (child !== undefined) await new Promise((resolve) => child.once('exit', resolve))
      }
      await startWorker()
      const summary = await reaches(fixture.engine, id, 'failed', 20_000)
      assert.equal(summary.error?.code, 'crash_loop')
    },
  )
})

describe('a worker that is frozen', () => {
  it(
    'finds on waking that its runs went on elsewhere, and writes nothing',
    { timeout: 90_000, skip: isLong ? false : 'AUTHFLOW_LONG=1 runs it' },
    async () => {
      const first = await startWorker()
      const ids = await send('steps', 200)
      await until('it works', () => (effects().length > 20 ? true : undefined))
      first.kill('SIGSTOP')
      await startWorker()
      await until(
        'all runs are done',
        async () => {
          const found = await fixture.store.getMany(runs, ids)
          return found.every(({ state }) => state === 'succeeded') ? true : undefined
        },
        30_000,
      )
      const versions = (await fixture.store.getMany(runs, ids)).map(({ version }) => version)
      first.kill('SIGCONT')
      await new Promise((resolve) => setTimeout(resolve, 3000))
      assert.deepEqual(
        (await fixture.store.getMany(runs, ids)).map(({ version }) => version),
        versions,
      )
    },
  )
})

// X13: a rolling deploy. Servers of an older schema and of this one work on one store at the same time, and the store is
// migrated, back and forth, while both answer: no getAuth fails.

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../scripts/figure.ts'
import { backends, isLong } from './connect/fixtures/backends.ts'
import { connectionSet } from './connect/sets.ts'
import { newKey, openGround, seedConnections } from './fixtures/seeded-store.ts'

const rows = isLong ? 20_000 : 800
const restMs = isLong ? 10_000 : 1000
const script = fileURLToPath(new URL('./fixtures/deploy-process.ts', import.meta.url))

interface Server {
  readonly child: ChildProcess
  /** Ends it; what it did. */
  end(): Promise<{ calls: number; writes: number; errors: string[] }>
}

async function startServer(url: string, keys: string, version: 'older' | 'this'): Promise<Server> {
  const child = spawn(process.execPath, ['--import', 'tsx', script, url, keys, version, String(rows)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
  await once(child.stdout, 'data')
  return {
    child,
    async end() {
      child.stdin.end()
      await once(child, 'close')
      return JSON.parse(lines.join('').trim().split('\n').at(-1) ?? '')
    },
  }
}

async function deploy(url: string, name: string): Promise<void> {
  const keys = newKey('k1')
  await seedConnections(url, keys, rows)
  const running: Server[] = []
  const reports: Awaited<ReturnType<Server['end']>>[] = []
  const start = async (version: 'older' | 'this'): Promise<void> => {
    running.push(await startServer(url, keys, version))
    await delay(restMs)
  }
  const endFirst = async (): Promise<void> => {
    const report = await running.shift()?.end()
    if (report) reports.push(report)
  }
  try {
    // Takes the store to the older schema, as if this version had never been there.
    await start('older')
    await start('older')
    await start('this')
    await endFirst()
    // One of the old that is started anew in the middle takes its own schema back.
    await start('older')
    await start('this')
    while (running.length > 0) await endFirst()
  } finally {
    for (const { child } of running) child.kill('SIGKILL')
  }
  for (const { errors } of reports) assert.deepEqual(errors, [])
  const sum = (of: 'calls' | 'writes'): number => reports.reduce((all, report) => all + report[of], 0)
  assert.ok(sum('calls') > 100 && sum('writes') > 10)
  const { store } = await openGround(url, keys)
  const { items } = await store.list(connectionSet, { index: 'byIntegration', equals: 'keys', limit: 1000 })
  await store.close()
  assert.equal(items.length, Math.min(rows, 1000), 'every connection is found by its index')
  printFigure({ requirement: 'X13', name: `migrations under load, ${name}`, value: reports.length })
  printFigure({ requirement: 'X13', name: `getAuth meanwhile, ${name}`, value: sum('calls') })
  printFigure({ requirement: 'X13', name: `getAuth that failed, ${name}`, value: 0 })
}

describe('X13: servers of two versions on one store', { timeout: 600_000 }, () => {
  for (const { name, skip, open, drop } of backends)
    it(`fail no getAuth while the schema is migrated under them, on ${name}`, { skip }, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'authflow-deploy-'))
      const url = open()
      try {
        await deploy(url ?? `sqlite:${join(directory, 'test.db')}`, name)
      } finally {
        await drop(url)
        await rm(directory, { recursive: true, force: true })
      }
    })
})

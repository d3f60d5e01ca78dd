// X13: a rolling deploy. Servers of an older schema and of this one work on one store at the same time, and the store is
// migrated, back and forth, while both answer: no getAuth fails.

import assert from 'node:assert/strict'
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
import { firstWords, killChild, startScript, type Child } from './fixtures/child.ts'
import { newKey, openGround, seedConnections } from './fixtures/seeded-store.ts'

const rows = isLong ? 20_000 : 800
const restMs = isLong ? 10_000 : 1000
const script = fileURLToPath(new URL('./fixtures/deploy-process.ts', import.meta.url))

interface Server {
  /** Ends it; what it did. */
  end(): Promise<{ calls: number; writes: number; errors: string[] }>
}

/** What the child is of: a server that answers. */
async function openServer(child: Child): Promise<Server> {
  const lines: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
  await firstWords(child)
  return {
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
  const children: Child[] = []
  const running: Server[] = []
  const reports: Awaited<ReturnType<Server['end']>>[] = []
  const start = async (version: 'older' | 'this'): Promise<void> => {
    const child = startScript(script, { args: [url, keys, version, String(rows)] })
    children.push(child)
    running.push(await openServer(child))
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
    await Promise.all(children.map(killChild))
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

// D5 and H1 on a server in a process of its own: slow clients take nobody's place, SIGTERM under load cuts nobody off, and
// readiness follows the store.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../../scripts/figure.ts'
import { firstWords, killChild, startScript, type Child } from '../fixtures/child.ts'
import { freePort } from '../queue/fixtures/redis-server.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { loadSqliteDriver } from '../store/sqlite-driver.ts'
import { secretKeys } from './fixtures/test-server.ts'

const isLong = process.env['AUTHFLOW_LONG'] === '1'
const program = fileURLToPath(new URL('fixtures/listening.ts', import.meta.url))
const tool = 'slowhttptest'
const hasTool = spawnSync(tool, ['-h']).error === undefined

/** What slow clients do, as slowhttptest names it. */
const attacks = { H: 'slow headers', B: 'slow bodies', R: 'overlapping ranges' }
const attackSeconds = isLong ? 30 : 8
const attackers = isLong ? 1000 : 200
const loadSeconds = isLong ? 10 : 3

let directory = ''
let child: Child
let url = ''
let storeUrl = ''

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-close-'))
  storeUrl = `sqlite:${join(directory, 'test.db')}`
  const port = await freePort()
  url = `http://localhost:${port}`
  child = startScript(program, { args: [storeUrl, url, String(port)] })
  await firstWords(child)
})

afterEach(async () => {
  await killChild(child)
  await rm(directory, { recursive: true, force: true })
})

describe('D5: slow clients', { timeout: 300_000 }, () => {
  for (const [mode, what] of Object.entries(attacks)) {
    const skip = hasTool ? false : `${tool} is not installed`
    it(`that send ${what} keep nobody else from being answered`, { skip }, async () => {
      const path = mode === 'B' ? '/connect/trpc/flows.begin' : '/healthz'
      const type = mode === 'B' ? ['-f', 'application/json'] : []
      const args = [
        `-${mode}`,
        ...type,
        '-u',
        `${url}${path}`,
        '-c',
        String(attackers),
        '-r',
        String(attackers),
      ]
      const attack = spawn(tool, [...args, '-i', '1', '-l', String(attackSeconds), '-p', '5'], {
        stdio: 'ignore',
      })
      const over = once(attack, 'exit')
      const probes = await probeUntil(over)
      const quick = probes.filter((ms) => ms !== undefined && ms < 1000).length
      printFigure({
        requirement: 'D5',
        name: `probes answered within 1 s under ${what} of ${attackers} clients`,
        value: Math.round((1000 * quick) / probes.length) / 10,
        unit: `% of ${probes.length}`,
      })
      assert.equal(probes.filter((ms) => ms === undefined).length, 0, 'every probe is answered')
    })
  }
})

describe('H1: SIGTERM under load', { timeout: 120_000 }, () => {
  it('resets no connection, answers what it took, and ends the process', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const counts = { answered: 0, refused: 0, reset: 0 }
    const running: Promise<void>[] = []
    let signalled: number | undefined
    const everyMs = 5 // 200 a second
    const began = performance.now()
    while (performance.now() - began < loadSeconds * 1000) {
      running.push(askOnce(agent, counts))
      if (signalled === undefined && performance.now() - began > (loadSeconds * 1000) / 2) {
        signalled = performance.now()
        child.kill('SIGTERM')
      }
      await delay(everyMs)
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const endedMs = performance.now() - (signalled ?? 0)
    await Promise.all(running)
    agent.destroy()
    printFigure({
      requirement: 'H1',
      name: 'reset connections on SIGTERM',
      value: counts.reset,
      unit: `of ${running.length} requests`,
    })
    printFigure({
      requirement: 'H1',
      name: 'from SIGTERM to the end of the process',
      value: Math.round(endedMs),
      unit: 'ms',
    })
    assert.equal(counts.reset, 0)
    assert(counts.answered > 0 && counts.refused > 0, JSON.stringify(counts))
    assert(child.exitCode === 0 || child.signalCode === 'SIGTERM', String(child.exitCode))
  })
})

describe('H1: readiness', { timeout: 120_000 }, () => {
  it('turns while the store takes no write, and back', async () => {
    const ready = async (): Promise<number> => (await fetch(`${url}/readyz`)).status
    assert.equal(await ready(), 200)
    const { DatabaseSync } = await loadSqliteDriver()
    const other = new DatabaseSync(storeUrl.slice('sqlite:'.length))
    other.exec('BEGIN IMMEDIATE')
    const lostAt = performance.now()
    await until('it is not ready', async () => (await ready()) === 503, 60_000)
    const flippedMs = performance.now() - lostAt
    assert.equal((await fetch(`${url}/healthz`)).status, 200)
    other.exec('ROLLBACK')
    other.close()
    const backAt = performance.now()
    await until('it is ready again', async () => (await ready()) === 200, 60_000)
    printFigure({
      requirement: 'H1',
      name: 'from the loss of the store to 503',
      value: Math.round(flippedMs),
      unit: 'ms',
    })
    printFigure({
      requirement: 'H1',
      name: 'from the return of the store to 200',
      value: Math.round(performance.now() - backAt),
      unit: 'ms',
    })
  })
})

/** Milliseconds of each probe until the promise settles; undefined for one that was not answered. */
async function probeUntil(over: Promise<unknown>): Promise<(number | undefined)[]> {
  const probes: Promise<number | undefined>[] = []
  let going = true
  void over.finally(() => (going = false))
  while (going) {
    const began = performance.now()
    probes.push(
      fetch(`${url}/healthz`, { headers: { connection: 'close' } }).then(
        (response) => (response.ok ? performance.now() - began : undefined),
        () => undefined,
      ),
    )
    await delay(100)
  }
  return Promise.all(probes)
}

/** One call of a backend. A refused connection was never taken; a reset one was, and then dropped. */
function askOnce(agent: Agent, counts: { answered: number; refused: number; reset: number }): Promise<void> {
  return new Promise((resolve) => {
    const sent = request(`${url}/api/trpc/runs.list`, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secretKeys.jobs}` },
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') counts.refused += 1
      else counts.reset += 1
      resolve()
    })
    sent.on('response', (response) => {
      response.resume()
      response.on('end', () => {
        counts.answered += 1
        resolve()
      })
    })
    sent.end('{}')
  })
}

// X17: a server under a steady load for as long as one has patience: credentials asked for, tokens that run out and are
// refreshed, webhooks that start runs. Its memory must not grow, and nothing may be lost or left unhandled.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../scripts/figure.ts'
import { connectionIdOf } from './connect/connection-id.ts'
import { isLong } from './connect/fixtures/backends.ts'
import { rotatingMethod, startRotating } from './connect/fixtures/rotating.ts'
import { baseUrl, connectDirectly, integrationOf, openWorkbench } from './connect/fixtures/workbench.ts'
import { connectionSet } from './connect/sets.ts'
import type { SoakReport, SoakSetup } from './fixtures/soak-server.ts'
import { secretKeys } from './http/fixtures/test-server.ts'
import { until } from './jobs/fixtures/engine-fixture.ts'
import { allSets } from './sealed-sets.ts'
import { ownSecret } from './triggers/fixtures/webhook-server.ts'
import { registrations } from './triggers/registration-records.ts'

const soakMs = isLong ? 30 * 60_000 : 30_000
/** Until code is compiled and caches are full. Half a minute is no more than that, so only the long run judges growth. */
const warmUpMs = 5 * 60_000
const accounts = isLong ? 500 : 60
const askedPerSecond = 50
const webhooksPerSecond = 5
const refreshEveryMs = 2000
/** Connections whose token runs out each time. */
const runOut = 10

const script = fileURLToPath(new URL('./fixtures/soak-server.ts', import.meta.url))

/** A request that got no answer says why in its cause only. */
function told(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? String(error) : `${String(error)}: ${String(cause)}`
}

/** Calls back so often until it is told to end; the errors of all calls. */
function pace(perSecond: number, call: (count: number) => Promise<void>): { end(): Promise<string[]> } {
  const errors: string[] = []
  const open = new Set<Promise<void>>()
  let count = 0
  const timer = setInterval(() => {
    const one = call((count += 1)).catch((error: unknown) => void errors.push(told(error)))
    open.add(one)
    void one.finally(() => open.delete(one))
  }, 1000 / perSecond)
  return {
    end: async () => {
      clearInterval(timer)
      await Promise.all(open)
      return errors
    },
  }
}

/** MB that are added in a minute, by least squares. */
function slope(samples: readonly { readonly at: number; readonly rss: number }[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const minutes = samples.map(({ at }) => at / 60_000)
  const sizes = samples.map(({ rss }) => rss / 1_048_576)
  const [middle, size] = [mean(minutes), mean(sizes)]
  const both = minutes.reduce((sum, minute, at) => sum + (minute - middle) * ((sizes[at] ?? 0) - size), 0)
  return both / minutes.reduce((sum, minute) => sum + (minute - middle) ** 2, 0)
}

async function ask(url: string, accountId: string): Promise<void> {
  const headers = { authorization: `Bearer ${secretKeys.read}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ id: 'rotating', accountId })
  const answer = await fetch(`${url}/api/trpc/auth.get`, { method: 'POST', headers, body })
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
}

async function deliver(hook: string, n: number): Promise<void> {
  const body = JSON.stringify({ n })
  const signature = `sha256=${createHmac('sha256', ownSecret).update(body).digest('hex')}`
  const headers = {
    'content-type': 'application/json',
    'x-github-delivery': `d-${n}`,
    'x-hub-signature-256': signature,
  }
  const answer = await fetch(hook, { method: 'POST', headers, body })
  assert.ok(answer.ok, `${answer.status}`)
}

describe('X17: a server under a steady load', { timeout: 2 * soakMs + 300_000 }, () => {
  it('does not grow, loses no connection and leaves nothing unhandled', async () => {
    const provider = await startRotating()
    provider.grace = true
    const rotation = { graceSeconds: 60 } as const
    const bench = await openWorkbench(
      [integrationOf('rotating', [rotatingMethod(provider, { rotation })])],
      baseUrl,
    )
    const { connect, store, directory, keys } = bench
    const accountOf = (index: number): string => `acct-${index % accounts}`
    for (let index = 0; index < accounts; index += 1)
      await connectDirectly(connect, { integration: 'rotating', accountId: accountOf(index) })
    const { origin, person } = provider
    const setup: SoakSetup = {
      store: `sqlite:${join(directory, 'test.db')}`,
      encryptionKeys: keys,
      origin,
      person,
    }
    const child = fork(script, [JSON.stringify(setup)], { execArgv: ['--import', 'tsx'] })
    const ended = once(child, 'exit').then((how) => {
      throw new Error(`the server ended: ${how.join(' ')}`)
    })
    ended.catch(() => undefined)
    try {
      const [{ url }] = (await Promise.race([once(child, 'message'), ended])) as [{ url: string }]
      await store.migrate(allSets, 'test')
      const [registration] = (
        await store.list(registrations, { index: 'all', equals: 'registration', limit: 1 })
      ).items
      const samples: { at: number; rss: number; unhandled: number; done: number }[] = []
      const from = performance.now()
      child.on('message', (report: SoakReport) => {
        if ('rss' in report) samples.push({ at: performance.now() - from, ...report })
      })
      let delivered = 0
      let ranOut = 0
      const loads = [
        pace(askedPerSecond, (count) => ask(url, accountOf(count * 7))),
        pace(webhooksPerSecond, (count) =>
          deliver(`${url}/webhooks/${registration?.hook}`, count).then(() => void (delivered += 1)),
        ),
        pace(1000 / refreshEveryMs, async (count) => {
          for (let at = 0; at < runOut; at += 1) {
            const id = connectionIdOf('rotating', accountOf(count * runOut + at))
            await store.update(connectionSet, id, {}, { set: { expiresAt: store.now() - 1 } })
            ranOut += 1
          }
        }),
      ]
      await delay(soakMs)
      const errors = (await Promise.all(loads.map((load) => load.end()))).flat()
      const grown = isLong ? slope(samples.filter(({ at }) => at > warmUpMs)) : 0
      // Before anything is judged: half an hour is not to be in vain.
      printFigure({ requirement: 'X17', name: 'load', value: Math.round(soakMs / 1000), unit: 's' })
      printFigure({ requirement: 'X17', name: 'calls that failed', value: errors.length })
      const growth = Math.round(grown * 100) / 100
      if (isLong) printFigure({ requirement: 'X17', name: 'growth of memory', value: growth, unit: 'MB/min' })
      assert.deepEqual(errors, [])
      const last = await until(
        'every delivery ran',
        () => samples.find(({ done }) => done >= delivered),
        60_000,
      )
      const states = await Promise.all(
        Array.from({ length: accounts }, (_, at) =>
          connect.getConnection({ integration: 'rotating', accountId: accountOf(at) }),
        ),
      )
      assert.deepEqual([...new Set(states.map(({ state }) => state))], ['active'])
      assert.equal(samples.at(-1)?.unhandled, 0)
      assert.ok(provider.refreshes > 0 && provider.refreshes <= ranOut, `${provider.refreshes} of ${ranOut}`)
      const figure = (name: string, value: number, unit?: string): void =>
        printFigure({ requirement: 'X17', name, value, ...(unit ? { unit } : {}) })
      figure('refreshes', provider.refreshes)
      figure('runs of webhooks', last.done)
      figure('needs_reauth', 0)
      figure('unhandled rejections', 0)
      figure('memory at the end', Math.round((samples.at(-1)?.rss ?? 0) / 1_048_576), 'MB')
      assert.ok(grown < 1, `${grown} MB a minute`)
    } finally {
      child.kill('SIGKILL')
      await bench.close()
      await provider.close()
    }
  })
})

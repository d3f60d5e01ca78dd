// Processes that are killed between a change and its delivery: nothing is lost, and what is told twice has one id. On
// both databases; short unless AUTHFLOW_LONG=1.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../../scripts/figure.ts'
import { killChild, startScript } from '../fixtures/child.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { backends, isLong, type Backend } from './fixtures/backends.ts'
import { startListener, type Listener } from './fixtures/listener.ts'
import type { DeathPoint, NoticeSetup } from './fixtures/notice-process.ts'
import { rotatingMethod, startRotating } from './fixtures/rotating.ts'
import { integrationOf, openWorkbench, type Workbench } from './fixtures/workbench.ts'
import { noticeSet } from './sets.ts'
import { readWebhookEndpoints } from './webhook-endpoints.ts'

const integration = 'rotating'
const processPath = fileURLToPath(new URL('fixtures/notice-process.ts', import.meta.url))
const points: readonly DeathPoint[] = ['written', 'sending', 'accepted']
const rounds = isLong ? 30 : 2

async function runToDeath(setup: NoticeSetup): Promise<void> {
  const child = startScript(processPath, { args: [JSON.stringify(setup)] })
  try {
    await until('it ends', () => child.exitCode !== null || child.signalCode !== null, 120_000)
    assert.equal(child.signalCode, 'SIGKILL')
  } finally {
    await killChild(child)
  }
}

const heard = ({ accepted }: Listener, accountId: string): readonly string[] =>
  accepted.filter(({ event }) => event.data.connection.accountId === accountId).map(({ id }) => id)

/** The dead process may have claimed the message for a minute, which is over now. */
async function endClaims({ store }: Workbench, hook: NoticeSetup['hook']): Promise<void> {
  const target = readWebhookEndpoints([hook], true)[0]?.id ?? ''
  const { items } = await store.list(noticeSet, { index: 'due', equals: target, limit: 100 })
  for (const { id } of items) await store.update(noticeSet, id, {}, { set: { dueAt: store.now() } })
}

async function killAndTell(backend: Backend): Promise<void> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const url = backend.open()
  const provider = await startRotating()
  const listener = await startListener(secret)
  const hook = { url: listener.url, secret }
  const at = url === undefined ? {} : { storeUrl: url }
  const bench = await openWorkbench([integrationOf(integration, [rotatingMethod(provider)])], undefined, {
    ...at,
    told: { webhooks: readWebhookEndpoints([hook], true) },
  })
  const { directory, keys } = bench
  let [lost, twice] = [0, 0]
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const point of points) {
        const accountId = `${point}-${round}`
        await runToDeath({ directory, keys, ...at, provider: provider.origin, hook, accountId, point })
        assert.equal((await bench.connect.getConnection({ integration, accountId })).state, 'active')
        await endClaims(bench, hook)
        await bench.connect.sweep()
        await bench.connect.disconnect({ integration, accountId }, 'ops')
        const isTold = (): boolean => new Set(heard(listener, accountId)).size >= 2
        await until('both changes are told', isTold, 120_000).catch(() => undefined)
        const ids = heard(listener, accountId)
        if (new Set(ids).size < 2) lost += 1
        if (ids.length > 2) twice += 1
        assert.equal(ids.length, point === 'accepted' ? 3 : 2)
        assert.equal(ids.at(0), ids.at(-2), 'a repeat comes before what follows')
      }
    }
    const changes = rounds * points.length * 2
    printFigure({ requirement: 'outbox', name: `changes lost of ${changes} (${backend.name})`, value: lost })
    printFigure({ requirement: 'outbox', name: `told twice (${backend.name})`, value: twice })
    assert.deepEqual([lost, twice], [0, rounds])
  } finally {
    await bench.close()
    await provider.close()
    await listener.close()
    await backend.drop(url)
  }
}

describe('telling of changes through kills', { timeout: 900_000 }, () => {
  for (const backend of backends) {
    it(`loses nothing on ${backend.name}`, { skip: backend.skip }, () => killAndTell(backend))
  }
})

// Refreshes that are cut off: by a kill, by a process that sleeps past its lease, by a database that can't be written.
// They take as long as a lease and its grace, so they run side by side.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectionIdOf } from './connection-id.ts'
import { rotatingMethod, startRotating, type Rotating } from './fixtures/rotating.ts'
import { connectDirectly, integrationOf, openWorkbench, type Workbench } from './fixtures/workbench.ts'
import type { ConnectionRecord } from './records.ts'
import { connectionSet } from './sets.ts'
import type { RefreshRotation } from '../integrations/integration.ts'

const integration = 'rotating'
const accountId = 'acct-1'
const id = connectionIdOf(integration, accountId)
const processFile = fileURLToPath(new URL('./fixtures/refresh-process.ts', import.meta.url))

const closing: (() => Promise<void>)[] = []
after(async () => {
  for (const close of closing) await close()
})

interface Scene {
  readonly provider: Rotating
  readonly bench: Workbench
  readonly record: () => Promise<ConnectionRecord>
}

/** A connection whose access token has expired. */
async function scene(rotation: RefreshRotation): Promise<Scene> {
  const provider = await startRotating()
  const bench = await openWorkbench([integrationOf(integration, [rotatingMethod(provider, { rotation })])])
  closing.push(bench.close, provider.close)
  await connectDirectly(bench.connect, { integration, accountId })
  await bench.store.update(connectionSet, id, {}, { set: { expiresAt: bench.store.now() - 1 } })
  const record = async (): Promise<ConnectionRecord> => {
    const found = await bench.store.get(connectionSet, id)
    assert.ok(found)
    return found
  }
  return { provider, bench, record }
}

/** Another process that refreshes; resolves when its request is at the provider, whose answer waits for `answer`. */
async function refreshElsewhere({ provider, bench }: Scene) {
  let arrive = (): void => undefined
  const arrived = new Promise<void>((resolve) => (arrive = resolve))
  let answer = (): void => undefined
  const answered = new Promise<undefined>((resolve) => (answer = () => resolve(undefined)))
  const first = provider.refreshes + 1
  provider.beforeReply = (count) => {
    if (count !== first) return undefined
    arrive()
    return answered
  }
  const parameters = [bench.directory, bench.keys, provider.origin, provider.person, accountId]
  const child = spawn(process.execPath, ['--import', 'tsx', processFile, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
  const exited = once(child, 'exit').then(() => output.trim())
  await Promise.race([arrived, exited.then((text) => assert.fail(`the process ended: ${text}`))])
  return { child, answer, exited }
}

const tokenOf = async ({ connect }: Workbench): Promise<string> => {
  const auth = await connect.getAuth({ id: integration, accountId })
  assert.ok(auth.type === 'oauth2')
  return auth.accessToken
}

describe('a refresh that was cut off', { concurrency: true }, () => {
  it('by kill -9: is taken up by the next caller with the old refresh token, within the grace', async () => {
    const here = await scene({ graceSeconds: 60 })
    here.provider.grace = true
    const elsewhere = await refreshElsewhere(here)
    assert.equal((await here.record()).refreshOpen, true)
    elsewhere.child.kill('SIGKILL')
    await elsewhere.exited
    const from = performance.now()
    const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(here.bench)))
    const ms = performance.now() - from
    assert.equal(new Set(tokens).size, 1)
    assert.equal(here.provider.refreshes, 2)
    assert.equal((await here.record()).state, 'active')
    assert.ok(ms > 4_000, `took ${ms} ms`)
  })

  it('by kill -9 where no grace is: is tried once more by the sweep, and ends honestly', async () => {
    const here = await scene('strict')
    const elsewhere = await refreshElsewhere(here)
    elsewhere.child.kill('SIGKILL')
    await elsewhere.exited
    const until = performance.now() + 20_000
    while ((await here.record()).state === 'active' && performance.now() < until) {
      await here.bench.connect.sweep()
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    const { state, reason } = await here.record()
    assert.deepEqual([state, reason], ['needs_reauth', 'refresh_outcome_unknown'])
    assert.equal(here.provider.refreshes, 2)
    await assert.rejects(tokenOf(here.bench), { code: 'needs_reauth' })
  })

  it('by a long sleep: the sleeper wakes to the newer credential and does not overwrite it', async () => {
    const here = await scene({ graceSeconds: 60 })
    here.provider.grace = true
    const elsewhere = await refreshElsewhere(here)
    elsewhere.child.kill('SIGSTOP')
    elsewhere.answer()
    const token = await tokenOf(here.bench)
    const before = await here.record()
    elsewhere.child.kill('SIGCONT')
    assert.equal(await elsewhere.exited, `got ${token}`)
    assert.deepEqual(await here.record(), before)
    assert.equal(here.provider.refreshes, 2)
  })

  it('by a database that takes no writes: the new tokens are held and saved when it does again', async () => {
    const here = await scene('strict')
    const { DatabaseSync } = await import('@photostructure/sqlite')
    const blocker = new DatabaseSync(join(here.bench.directory, 'test.db'))
    here.provider.beforeReply = () => {
      blocker.exec('BEGIN IMMEDIATE')
      return undefined
    }
    const waiting = tokenOf(here.bench)
    await new Promise((resolve) => setTimeout(resolve, 6_500))
    assert.equal(here.provider.refreshes, 1)
    assert.equal((await here.record()).refreshOpen, true)
    blocker.exec('ROLLBACK')
    blocker.close()
    assert.match(await waiting, /-2$/)
    const { state, refreshOpen } = await here.record()
    assert.deepEqual([state, refreshOpen], ['active', false])
    assert.equal(here.provider.refreshes, 1)
  })
})

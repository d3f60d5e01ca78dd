// P50 at the stand-in Airtable, whose webhooks end after seven days as Airtable's do, with one clock for both sides.

import assert from 'node:assert/strict'
import { after, before, describe, it, mock } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { noMetrics } from '../../shared/metrics.ts'
import { Airtable, events } from '../integrations/airtable.ts'
import { createDirectory, encryptionKeys, openEngine, running } from '../jobs/fixtures/engine-fixture.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { startSandbox, type Sandbox } from '../sandbox/index.ts'
import { createVault } from '../vault/create-vault.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import { createTriggers, type Triggers } from './create-triggers.ts'
import { TriggerDefinitions } from './definitions.ts'
import { DynamicTrigger } from './dynamic-trigger.ts'
import { triggerSets } from './registration-records.ts'

const day = 24 * 3_600_000
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

/** Triggers of one process at the stand-in, acting with a token from code. */
async function openAt(sandbox: Sandbox, path: string) {
  const fetch = createGuardedFetch({ allowLoopback: true })
  const { engine, store, close } = await openEngine(path, { now: running(() => Date.now()) })
  await store.migrate([...triggerSets], 'test')
  const definitions = new TriggerDefinitions()
  const triggers: Triggers = createTriggers({
    store,
    vault: createVault({ keys: parseKeyRing(encryptionKeys), environment: 'test' }),
    environment: 'test',
    baseUrl: new URL('http://localhost:1'),
    fetch,
    engine,
    resolveAuth: () => Promise.reject(new AuthFlowError('not_connected')),
    findConnection: () => Promise.resolve(undefined),
    definitions,
    metrics: noMetrics,
    log: quiet,
    now: () => Date.now(),
  })
  const { endpoints, personalAccessTokens } = sandbox.airtable
  const airtable = new Airtable({ id: 'airtable', token: personalAccessTokens['ada'], endpoints })
  const host = { registrations: triggers.registrations, defineTrigger: definitions.define.bind(definitions) }
  const changes = new DynamicTrigger(host, {
    id: 'changes',
    event: events.onChange,
    source: airtable.sources.base,
  })
  return {
    changes,
    sweep: () => triggers.registrations.sweep(),
    async close() {
      await triggers.deliveries.close()
      await close()
      await fetch.close()
    },
  }
}

describe('airtable.sources.base over weeks', () => {
  const directory = createDirectory()
  let sandbox: Sandbox
  let server: Awaited<ReturnType<typeof openAt>>
  before(async () => {
    sandbox = await startSandbox({ redirectUris: [] })
    mock.timers.enable({ apis: ['Date'], now: Date.now() })
    server = await openAt(sandbox, directory.path)
  })
  after(async () => {
    mock.timers.reset()
    await server.close()
    await sandbox.close()
    directory.remove()
  })
  const alive = () =>
    sandbox.airtable.hooks().filter(({ expirationTime }) => Date.parse(expirationTime) > Date.now())
  const count = (pattern: RegExp): number =>
    Object.entries(sandbox.airtable.counts()).reduce(
      (sum, [at, times]) => sum + (pattern.test(at) ? times : 0),
      0,
    )

  it('refreshes its webhook, which stays the same one, before the seven days are over', async () => {
    const first = await server.changes.register('leads', { baseId: sandbox.airtable.bases['ada'] ?? '' })
    assert.deepEqual([first.state, first.error], ['active', null])
    const [made] = alive()
    assert(made)
    for (let hours = 0; hours < 21 * 24; hours += 6) {
      mock.timers.tick(day / 4)
      await server.sweep()
      const [hook] = alive()
      assert.equal(hook?.id, made.id, `after ${hours} hours`)
      assert(Date.parse(hook.expirationTime) - Date.now() > 3 * day, `after ${hours} hours`)
    }
    const refreshes = count(/^POST .*\/webhooks\/\w+\/refresh$/)
    assert(refreshes >= 3 && refreshes <= 7, `${refreshes} refreshes in three weeks`)
    assert.equal(count(/^POST .*\/webhooks$/), 1)
  })

  it('makes another when nobody was there to refresh it', async () => {
    const [before] = alive()
    mock.timers.tick(8 * day)
    assert.deepEqual(alive(), [])
    await server.sweep()
    const [made, ...more] = alive()
    assert.deepEqual([made === undefined, made?.id === before?.id, more.length], [false, false, 0])
    assert.equal((await server.changes.get('leads')).state, 'active')
  })
})

// A connection whose record is deleted as it ends: what was made with it at the provider goes with it all the same.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { events } from '../integrations/github.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { DynamicTrigger } from './dynamic-trigger.ts'
import { startWorld, type World } from './fixtures/trigger-world.ts'

describe('forgetting a connection', () => {
  let world: World
  let opened: DynamicTrigger<{ owner: string; repo: string }, unknown>

  before(async () => {
    world = await startWorld({
      define(client, [github]) {
        opened = new DynamicTrigger(client, {
          id: 'github-issue-opened',
          event: events.onIssueOpened,
          source: github.sources.repo,
        })
      },
    })
    await world.connect('github-customers', 'ada', { person: 'ada' })
  })
  after(() => world.close())

  it('removes its webhooks at the provider', async () => {
    await opened.register('one', { owner: 'acme', repo: 'website' }, { accountId: 'ada' })
    await until('the webhook', async () => (await opened.get('one')).state === 'active')
    assert.equal(world.sandbox.github.hooks().length, 1)
    const key = { integration: 'github-customers', accountId: 'ada' }
    await world.client.connections.disconnect({ ...key, forget: true })
    await assert.rejects(world.client.connections.get(key), { code: 'not_connected' })
    await until('the end of the webhook', () => world.sandbox.github.hooks().length === 0)
  })
})

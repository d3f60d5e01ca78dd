// The file for a script tag on pages that have nothing else: from another origin, on every engine.

import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { onEveryEngine } from './engines/start.ts'
import type { Engine } from './engines/engine.ts'
import { tell } from './story.ts'
import { inState, startWorld, trigger, type World } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.close())

/** Only the network's scripts may run, and none that stands in the page. */
const onlyTheNetwork = (): string =>
  `default-src 'none'; script-src ${world.origin('cdn')}; connect-src 'self' ${world.origin('connect')}; form-action ${world.origin('connect')}`

onEveryEngine((_, start) => {
  let engine: Engine
  before(async () => {
    engine = await start()
  })
  after(() => engine?.close())

  for (const how of ['tag', 'import']) {
    it(`connects an account at a provider on a page whose only code is one ${how}`, () =>
      tell(world, engine, async ({ account, open, leave }) => {
        if (how === 'tag')
          world.product.headers = (_req, res) =>
            void res.setHeader('content-security-policy', onlyTheNetwork())
        const page = await open(`cdn=${how}`)
        assert.equal(await page.evaluate(() => document.scripts.length), 1)
        await (await leave(page)).click('#allow')
        await inState(page, 'done')
        assert.deepEqual(
          (await world.connectionsOf(account)).map(({ integration, state }) => [integration, state]),
          [['crm', 'active']],
        )
      }))

    it(`asks for a key in a form, and keeps it, on a page whose only code is one ${how}`, () =>
      tell(world, engine, async ({ account, open }) => {
        const page = await open(`cdn=${how}&integrations=keys&method=`)
        await page.click(trigger('keys'))
        await page.waitFor('auth-form [name=region]:focus')
        await page.press('eu')
        await page.click('input[name=apiKey]')
        await page.press('key-canary-1')
        await page.press('Enter')
        await inState(page, 'done', 'keys')
        assert.match(await page.text('auth-status [role=status]'), /^Connected as ada/)
        assert.deepEqual(
          (await world.connectionsOf(account)).map(({ integration, state }) => [integration, state]),
          [['keys', 'active']],
        )
      }))
  }
})

// The ten ways in which pages, windows and frames are kept apart, on every engine: the flow ends in success though the
// window seems gone and no page can tell another, and nothing is taken for a cancel meanwhile.

import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { printFigure } from '../scripts/figure.ts'
import type { Engine, Profile } from './engines/engine.ts'
import { onEveryEngine } from './engines/start.ts'
import { inState, startWorld, trigger, type World } from './world.ts'

interface Scenario {
  readonly name: string
  /** Where the connect server is: on the product's own origin or on one of its own. */
  readonly server: 'shared' | 'connect'
  readonly host?: string
  readonly provider?: string
  readonly framed?: boolean
}

const scenarios: readonly Scenario[] = [
  { name: 'callback on the app’s origin', server: 'shared' },
  { name: 'callback on the app’s origin, provider same-origin', server: 'shared', provider: 'same-origin' },
  {
    name: 'callback on the app’s origin, provider same-origin-allow-popups',
    server: 'shared',
    provider: 'same-origin-allow-popups',
  },
  { name: 'callback on the app’s origin, app same-origin', server: 'shared', host: 'same-origin' },
  {
    name: 'callback on the app’s origin, app same-origin-allow-popups',
    server: 'shared',
    host: 'same-origin-allow-popups',
  },
  {
    name: 'callback on the app’s origin, app same-origin-allow-popups, provider same-origin',
    server: 'shared',
    host: 'same-origin-allow-popups',
    provider: 'same-origin',
  },
  { name: 'callback on another origin', server: 'connect' },
  { name: 'callback on another origin, provider same-origin', server: 'connect', provider: 'same-origin' },
  { name: 'app in a frame of another site', server: 'connect', framed: true },
  {
    name: 'app in a frame of another site, provider same-origin',
    server: 'connect',
    framed: true,
    provider: 'same-origin',
  },
]

/** Longer than a page takes to see that a window seems to be closed, and to offer to open it again. */
const atProviderMs = 3_500

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.close())

const policy = (value: string | undefined): Record<string, string> =>
  value === undefined ? {} : { 'cross-origin-opener-policy': value }

onEveryEngine((name, start) => {
  let engine: Engine
  let profile: Profile
  const took: number[] = []
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.close()
    const worst = Math.max(...took)
    printFigure({
      requirement: 'U2',
      name: `${name} ${engine?.version}, scenarios connected`,
      value: `${took.length} of ${scenarios.length}`,
    })
    printFigure({
      requirement: 'U2',
      name: `${name}, success after the callback, slowest`,
      value: worst,
      unit: 'ms',
    })
  })

  for (const [index, scenario] of scenarios.entries()) {
    it(`connects: ${scenario.name}`, async () => {
      const account = `${name}-${index}`
      world.network.turns.providerHeaders = policy(scenario.provider)
      world.product.headers = (_req, res) => {
        for (const [header, value] of Object.entries(policy(scenario.host))) res.setHeader(header, value)
      }
      profile = await engine.openProfile()
      try {
        const site = world.origin(scenario.framed ? 'evil' : 'host')
        const top = await profile.open(`${site}/?account=${account}&server=${scenario.server}`)
        const page = scenario.framed ? await top.frame('iframe') : top
        await page.click(trigger())
        const provider = await profile.find('#allow')
        await new Promise((resolve) => setTimeout(resolve, atProviderMs))
        // Before the driver moves between windows, each of which makes a page ask anew.
        const held = world.network.calls.filter(({ path, ended }) => path.endsWith('/flows.watch') && !ended)
        assert.equal(held.length, 1, 'one poll waits at the server for the news')
        await inState(page, 'authorize')
        await provider.click('#allow')
        const success = await world.product.heard(account, 'auth-success')
        const callback = world.network.calls.findLast(({ path }) => path.startsWith('/callback/'))
        assert.ok(callback)
        took.push(success.at - callback.begun)
        printFigure({
          requirement: 'U2',
          name: `${name}, ${scenario.name}`,
          value: success.at - callback.begun,
          unit: 'ms',
        })
        const told = world.product.events.filter((one) => one.account === account).map(({ type }) => type)
        assert.equal(told.includes('auth-cancel') || told.includes('auth-error'), false, String(told))
        await inState(page, 'done')
      } finally {
        await profile.close()
      }
    })
  }
})

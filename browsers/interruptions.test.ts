// Connecting though something comes between: a blocker, a slow or absent server, windows closed, reloaded or left, tabs
// beside, elements on the move. On every engine, each with its popup blocker on.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it, mock } from 'node:test'
import { printFigure } from '../scripts/figure.ts'
import { eventually, type Engine, type Window } from './engines/engine.ts'
import { onEveryEngine } from './engines/start.ts'
import { tell, wait, type Story } from './story.ts'
import { inState, oauthNames, startWorld, trigger, type World } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.close())
afterEach(() => mock.restoreAll())

/** Longer than any engine takes a click for a gesture. */
const gestureMs = 6_000
const minutes = 60_000

/** Turns the server's clock, until `mock.restoreAll`. */
function turnClock(ms: number): void {
  mock.restoreAll()
  const now = Date.now.bind(Date)
  mock.method(Date, 'now', () => now() + ms)
}

/** The next connect token is one that was made a while ago: two minutes are left of it. */
function mintOldToken(): void {
  world.product.beforeToken = () => turnClock(-13 * minutes)
  world.network.turns.before = () => mock.restoreAll()
}

/** Answers to a path that come late. */
const slowly =
  (path: RegExp, ms: number): World['network']['turns']['before'] =>
  (req) =>
    path.test(req.url ?? '') ? wait(ms) : undefined

/** Waits until the page offers to open the window again, and takes the offer. */
async function reopen(page: Window, { profile }: Story): Promise<Window> {
  await page.waitFor('auth-flow[data-auth-popup-closed]')
  await inState(page, 'authorize')
  await page.click('[data-auth-action=reopen]')
  return profile.find('#allow')
}

const stories: Readonly<Record<string, (story: Story) => Promise<void>>> = {
  async 'a server that takes 6 s to begin'(story) {
    world.network.turns.before = slowly(/flows\.begin/, gestureMs)
    const page = await story.open()
    await story.finish(page, await story.leave(page))
    assert.ok(!story.told().includes('auth-popup-blocked'))
  },

  async 'the popup blocker, and the button that is shown for it'(story) {
    const page = await story.open()
    await page.waitFor(trigger())
    await page.evaluate(
      (ms) =>
        void setTimeout(
          () => document.querySelector<HTMLElement>('auth-trigger button')?.click(),
          Number(ms),
        ),
      String(gestureMs),
    )
    await inState(page, 'blocked')
    assert.equal(await story.profile.count(), 1)
    await page.click('[data-part=open]')
    await story.finish(page, await story.profile.find('#allow'))
    assert.ok(story.told().includes('auth-popup-blocked'))
  },

  async 'the window closed by hand and opened again'(story) {
    const page = await story.open()
    await (await story.leave(page)).close()
    await story.finish(page, await reopen(page, story))
  },

  async 'a second click while the window is open'(story) {
    const page = await story.open()
    const begun = world.network.calls.length
    const provider = await story.leave(page)
    await page.click(trigger())
    await inState(page, 'authorize')
    assert.equal(await story.profile.count(), 2)
    await story.finish(page, provider)
    const begins = world.network.calls.slice(begun).filter(({ path }) => path.endsWith('/flows.begin'))
    assert.equal(begins.length, 1)
  },

  async 'two tabs: each has its own flow, one polls, none takes the other’s result'(story) {
    const first = await story.open()
    const provider = await story.leave(first)
    const second = await story.open('integrations=mail')
    const third = await story.open()
    await third.click(trigger())
    await eventually(async () => (await story.profile.count()) === 5 || undefined, 'the second window')
    await inState(third, 'authorize')
    await eventually(async () => story.held() === 1 || undefined, 'one poll for both')
    await story.finish(first, provider)
    await inState(third, 'authorize')
    await second.waitFor('auth-flow:not([data-state=done])')
    await (await story.profile.find('#allow')).click('#allow')
    // One connection for each account: what came second is told so, and the first stays.
    await third.waitFor('auth-flow[data-auth-error=already_connected]')
    await inState(first, 'done')
    assert.equal((await world.connectionsOf(story.account)).length, 1)
  },

  async 'the line cut for a while and back'(story) {
    const page = await story.open()
    const provider = await story.leave(page)
    await inState(page, 'authorize')
    world.network.cut(true)
    await wait(2_500)
    await inState(page, 'authorize')
    world.network.cut(false)
    await story.finish(page, provider)
    assert.ok(!story.told().includes('auth-error'))
  },

  async 'a token that expires while the person is at the provider'(story) {
    mintOldToken()
    const page = await story.open()
    const provider = await story.leave(page)
    world.restore()
    turnClock(3 * minutes)
    await story.finish(page, provider)
  },

  async 'a token that has expired when the window is opened again'(story) {
    mintOldToken()
    const page = await story.open()
    await (await story.leave(page)).close()
    world.restore()
    turnClock(3 * minutes)
    await story.finish(page, await reopen(page, story))
  },

  async 'an app’s web view, which opens no windows: by redirect'(story) {
    const page = await story.open('mode=redirect')
    await page.evaluate(() => void (window.open = () => null))
    const provider = await story.leave(page)
    assert.equal(await story.profile.count(), 1)
    await provider.click('#allow')
    const back = await story.profile.find('auth-flow[data-state=done]')
    assert.doesNotMatch(await back.evaluate(() => location.search), /authflow/)
    await world.product.heard(story.account, 'auth-success')
  },

  async 'Back from the provider, by redirect, and once more'(story) {
    const page = await story.open('mode=redirect')
    const provider = await story.leave(page)
    await provider.back()
    const again = await story.profile.find('[data-auth-action=reopen]')
    await again.click('[data-auth-action=reopen]')
    await (await story.profile.find('#allow')).click('#allow')
    await story.profile.find('auth-flow[data-state=done]')
  },

  async 'a reload while the window is open'(story) {
    const page = await story.open()
    const provider = await story.leave(page)
    await page.reload()
    await inState(page, 'authorize')
    await story.finish(page, provider)
  },

  async 'a reload after the window has closed by itself'(story) {
    const page = await story.open()
    const provider = await story.leave(page)
    await page.goto(`${world.origin('host')}/elsewhere`)
    await provider.click('#allow')
    await eventually(async () => (await story.profile.count()) === 1 || undefined, 'the window to close')
    await page.goto(`${world.origin('host')}/?account=${story.account}`)
    await inState(page, 'done')
  },

  async 'six tabs open over HTTP/1.1, each with a flow of its own'(story) {
    const tabs: Window[] = []
    for (const integration of oauthNames) {
      const tab = await story.open(`integrations=${integration}`)
      await tab.click(trigger(integration))
      await inState(tab, 'authorize', integration)
      tabs.push(tab)
    }
    // The lengths of the names give three of the four lines to poll by.
    await eventually(async () => story.held() === 3 || undefined, 'three polls')
    printFigure({
      requirement: 'U2',
      name: `${story.engine.name}, polls held by six tabs`,
      value: story.held(),
    })
    for (const _ of oauthNames) {
      const open = await story.profile.count()
      await (await story.profile.find('#allow')).click('#allow')
      await eventually(async () => (await story.profile.count()) < open || undefined, 'the window to close')
    }
    for (const [index, integration] of oauthNames.entries())
      await inState(must(tabs[index]), 'done', integration)
  },

  async 'a provider whose token endpoint takes 5 s'(story) {
    world.network.turns.tokens = () => wait(5_000)
    const page = await story.open()
    await story.finish(page, await story.leave(page))
  },

  async 'a provider whose token endpoint fails, and works at the next try'(story) {
    world.network.turns.tokens = (_req, res) => void res.writeHead(503).end()
    const page = await story.open()
    await (await story.leave(page)).click('#allow')
    await inState(page, 'failed')
    world.network.turns.tokens = () => undefined
    await page.click('[data-auth-action=retry]')
    await story.finish(page, await story.profile.find('#allow'))
  },

  async 'a product whose token address takes 6 s, then fails, then works'(story) {
    world.product.beforeToken = () => wait(gestureMs)
    const page = await story.open()
    const provider = await story.leave(page)
    await provider.close()
    world.product.beforeToken = () => undefined
    await story.finish(page, await reopen(page, story))

    const other = await story.open('integrations=mail')
    world.product.beforeToken = (_req, res) => void res.writeHead(500).end()
    await other.click(trigger('mail'))
    await inState(other, 'failed', 'mail')
    world.product.beforeToken = () => undefined
    await other.click('[data-auth-action=retry]')
    await (await story.profile.find('#allow')).click('#allow')
    await inState(other, 'done', 'mail')
  },

  async 'the element moved, taken out and put back'(story) {
    const page = await story.open()
    const provider = await story.leave(page)
    await page.evaluate(() => {
      const flow = document.querySelector('auth-flow')
      const place = document.body.appendChild(document.createElement('section'))
      if (flow) place.append(flow)
    })
    await inState(page, 'authorize')
    await page.evaluate(() => {
      const flow = document.querySelector('auth-flow')
      flow?.remove()
      Object.assign(window, { kept: flow })
    })
    await eventually(async () => story.held() === 0 || undefined, 'the poll to end')
    await provider.click('#allow')
    await eventually(async () => (await story.profile.count()) === 1 || undefined, 'the window to close')
    await page.evaluate(() => {
      const kept: unknown = Reflect.get(window, 'kept')
      if (kept instanceof Element) document.querySelector('main')?.append(kept)
    })
    await world.product.heard(story.account, 'auth-success')
    await inState(page, 'done')
  },

  async 'a refusal at the provider, and consent at the next try'(story) {
    const page = await story.open()
    await (await story.leave(page)).click('#deny')
    await page.waitFor('auth-flow:is([data-state=failed],[data-state=cancelled])')
    const provider = await story.leave(page)
    await story.finish(page, provider)
  },
}

function must<T>(value: T | undefined): T {
  assert.ok(value !== undefined)
  return value
}

const cancels = new Set(['a refusal at the provider, and consent at the next try'])

onEveryEngine((name, start) => {
  let engine: Engine
  let connected = 0
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.close()
    const value = `${connected} of ${Object.keys(stories).length}`
    printFigure({
      requirement: 'U2',
      name: `${name} ${engine?.version}, interruptions that end in a connection`,
      value,
    })
  })

  for (const [title, run] of Object.entries(stories)) {
    it(title, async () => {
      await tell(world, engine, run, { mayCancel: cancels.has(title) })
      connected += 1
    })
  }

  describe('the network switched off in the browser', () => {
    it('and on again', () =>
      tell(world, engine, async (story) => {
        const page = await story.open()
        const provider = await story.leave(page)
        if (!page.setOffline) {
          printFigure({
            requirement: 'U2',
            name: `${name}, offline by the driver`,
            value: 'not possible; the line is cut instead',
          })
          return story.finish(page, provider)
        }
        await page.setOffline(true)
        await wait(2_500)
        await inState(page, 'authorize')
        await page.setOffline(false)
        await story.finish(page, provider)
      }))
  })
})

// A field with more choices than the form lists, searched by a host's own control, page by page. In Chromium.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { createOptionsSearch } from '../../ui/flow/search-options.ts'
import type { AuthFlowElement } from '../../ui/elements/auth-flow.ts'
import { startWorld, type World } from './fixtures/attack-world.ts'
import { launchChromium, openProfile } from './fixtures/chromium.ts'
import { roomCount } from './fixtures/many-rooms.ts'
import { clickConnect, signIn, waitForState } from './fixtures/people.ts'

let world: World
let browser: Browser
let profile: BrowserContext
before(async () => {
  ;[world, browser] = await Promise.all([startWorld(), launchChromium()])
  profile = await openProfile(browser)
})
after(async () => {
  await browser?.close()
  await world?.close()
})

/** What the host's script left for the page. */
declare const window: { readonly createOptionsSearch: typeof createOptionsSearch }

interface Found {
  readonly values: readonly string[]
  readonly pages: number
}

/** Every choice that matches, as a control of the host's own would gather them. */
const searchAll = (page: Page, typed: string): Promise<Found> =>
  page.locator('auth-flow').evaluate(async (element: AuthFlowElement, search): Promise<Found> => {
    const ask = window.createOptionsSearch({ integration: 'rooms', tokenUrl: '/token' })
    const flowId = element.flow.getSnapshot().flowId ?? ''
    const values: string[] = []
    let pages = 0
    let cursor: string | undefined
    do {
      const found = await ask({ flowId, field: 'room', search, ...(cursor && { cursor }) })
      values.push(...found.options.map(({ value }) => value))
      cursor = found.cursor
      pages += 1
    } while (cursor)
    return { values, pages }
  }, typed)

const take = (page: Page, room: string): Promise<void> =>
  page.locator('auth-flow').evaluate((element: AuthFlowElement, value) => {
    element.flow.submit({ room: value })
  }, room)

async function keptRoom(): Promise<string | undefined> {
  const [connection] = (await world.connections()).filter(({ integration }) => integration === 'rooms')
  return connection?.fields?.['room']
}

describe('a list with more choices than the form shows', () => {
  it('is searched and paged by a control of the host’s own, whose choice is taken and changed', async () => {
    const page = await signIn(world, profile, { account: 'ada', query: '?integration=rooms' })
    await clickConnect(page)
    await waitForState(page, 'configure')
    assert.equal(await page.locator('auth-form select option[value^=r-]').count(), 1000)

    const all = await searchAll(page, '')
    assert.deepEqual([new Set(all.values).size, all.pages], [roomCount, 7])
    const some = await searchAll(page, 'Room 24')
    assert.deepEqual([some.values.length, some.pages], [111, 1])
    assert.deepEqual(await searchAll(page, 'no such room'), { values: [], pages: 1 })

    await take(page, 'r-2417')
    await waitForState(page, 'done')
    assert.equal(await keptRoom(), 'r-2417')

    // A changed answer is a flow of another purpose, which the search finds out by itself.
    await page.locator('[data-part=configure]').click()
    await waitForState(page, 'configure')
    const select = page.locator('auth-form select')
    assert.equal(await select.locator('option:checked').innerText(), 'Room 2417')
    assert.equal((await searchAll(page, 'Room 25')).values.length, 12)
    await take(page, 'r-2500')
    await waitForState(page, 'done')
    assert.equal(await keptRoom(), 'r-2500')
  })
})

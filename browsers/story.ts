// What a person does in a story of connecting, and what every story must come to: told by the pages and by the server.

import assert from 'node:assert/strict'
import type { Engine, Profile, Window } from './engines/engine.ts'
import { inState, trigger, type World } from './world.ts'

/** One story: a person with a browser of their own, and a fresh account. */
export interface Story {
  readonly world: World
  readonly engine: Engine
  readonly profile: Profile
  readonly account: string
  /** Opens the product's page, with more of a query: `mode=redirect`. */
  open(query?: string): Promise<Window>
  /** Clicks the trigger and waits for the provider's page. */
  leave(page: Window, integration?: string): Promise<Window>
  /** Consents, and waits until the page has told of its success. */
  finish(page: Window, provider: Window): Promise<void>
  /** Types of what the pages told, in order. */
  told(): readonly string[]
  /** Polls that wait at the server now. */
  held(): number
}

let stories = 0

/** Tells a story in a fresh profile. The account is not taken for one that gave up, unless it `mayCancel`. */
export async function tell(
  world: World,
  engine: Engine,
  run: (story: Story) => Promise<void>,
  { mayCancel = false } = {},
): Promise<void> {
  world.restore()
  const account = `${engine.name}-${++stories}`
  const profile = await engine.openProfile()
  const told = (): readonly string[] =>
    world.product.events.filter((event) => event.account === account).map(({ type }) => type)
  const story: Story = {
    world,
    engine,
    profile,
    account,
    open: (query = '') => profile.open(`${world.origin('host')}/?account=${account}&${query}`),
    leave: async (page, integration) => {
      await page.click(trigger(integration))
      return profile.find('#allow')
    },
    finish: async (page, provider) => {
      await provider.click('#allow')
      await world.product.heard(account, 'auth-success')
      await inState(page, 'done')
    },
    told,
    held: () =>
      world.network.calls.filter(({ path, ended }) => path.endsWith('/flows.watch') && !ended).length,
  }
  try {
    await run(story)
    if (!mayCancel) assert.ok(!told().includes('auth-cancel'), `no false cancel: ${told().join(', ')}`)
  } finally {
    await profile.close()
    world.restore()
  }
}

/** A pause that the story needs: how long somebody waits, not how long something may take. */
export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

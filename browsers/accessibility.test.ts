// Connecting without a mouse, by what the browser tells assistive technology, on every engine: roles and names, where the
// focus goes and that it returns, errors said in a live region, and axe in every state from both directions.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import { after, before, it } from 'node:test'
import { printFigure } from '../scripts/figure.ts'
import type { Engine, Window } from './engines/engine.ts'
import { onEveryEngine } from './engines/start.ts'
import { tell } from './story.ts'
import { inState, startWorld, trigger, type World } from './world.ts'

let world: World
let axe: string
before(async () => {
  world = await startWorld()
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
})
after(() => world?.close())

/** Fails with axe's own words; gives how many rules had something to look at. */
async function expectAccessible(window: Window): Promise<number> {
  await window.evaluate((source) => void new Function(source)(), axe)
  const found = await window.evaluate(async () => {
    const run: unknown = Reflect.get(Reflect.get(window, 'axe'), 'run')
    if (typeof run !== 'function') throw new TypeError('axe is not there')
    const { violations, passes }: AxeResults = await run(document)
    return {
      passes: passes.length,
      said: violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    }
  })
  assert.deepEqual(found.said, [])
  return found.passes
}

/** What has the focus: its name in a form, or its text. */
const focused = (window: Window): Promise<string> =>
  window.evaluate(() => {
    const active = document.activeElement
    return active?.getAttribute('name') ?? active?.textContent?.trim() ?? ''
  })

/** Presses Tab until the control has the focus. */
async function tabTo(window: Window, control: string): Promise<void> {
  for (let presses = 0; presses < 20; presses++) {
    if ((await focused(window)) === control) return
    await window.press('Tab')
  }
  assert.fail(`Tab does not lead to ${control}`)
}

const panels = ['', 'dialog', 'popover'] as const

onEveryEngine((name, start) => {
  let engine: Engine
  let states = 0
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.close()
    printFigure({
      requirement: 'U3',
      name: `${name} ${engine?.version}, states without a finding of axe`,
      value: states,
    })
  })

  for (const panel of panels) {
    for (const dir of ['ltr', 'rtl']) {
      it(`connects by keyboard alone, panel ${panel || 'in place'}, ${dir}`, () =>
        tell(world, engine, async ({ open }) => {
          const check = async (window: Window): Promise<void> => {
            await expectAccessible(window)
            states += 1
          }
          const page = await open(`integrations=keys&method=&panel=${panel}&dir=${dir}`)
          await page.waitFor(trigger('keys'))
          await check(page)
          await tabTo(page, 'Connect keys')
          await page.press('Enter')
          await page.waitFor('auth-form [name=region]:focus')
          await check(page)

          await page.press('Escape')
          await page.waitFor('auth-flow:not([data-open])')
          assert.equal(await focused(page), 'Connect keys', 'the focus returns when the panel closes')
          await page.press('Enter')
          await page.waitFor('auth-form [name=region]:focus')

          // Nothing is chosen yet: the first control in error has the focus, and is described by what is wrong.
          await tabTo(page, 'Connect')
          await page.press('Enter')
          await page.waitFor('auth-form [name=region][aria-invalid=true]:focus')
          const described = await page.evaluate(() =>
            (document.activeElement?.getAttribute('aria-describedby') ?? '')
              .split(' ')
              .map((id) => document.getElementById(id)?.textContent ?? '')
              .join(' '),
          )
          assert.match(described, /\w/)
          await check(page)

          await page.press('eu')
          await tabTo(page, 'apiKey')
          await page.press('not-known')
          await page.press('Enter')
          // The focus was there before, so that nothing but a live region says it.
          await page.waitFor('auth-flow[data-auth-error] [data-field=apiKey] [role=alert]:not([hidden])')
          assert.match(await page.text('[data-field=apiKey] [role=alert]'), /does not know this key/)
          assert.equal(await focused(page), 'apiKey')
          await check(page)
        }))
    }
  }

  it('puts the focus back on the trigger once connected', () =>
    tell(world, engine, async ({ open }) => {
      const page = await open('integrations=keys&method=')
      await page.waitFor(trigger('keys'))
      await tabTo(page, 'Connect keys')
      await page.press('Enter')
      await page.waitFor('auth-form [name=region]:focus')
      await page.press('eu')
      await tabTo(page, 'apiKey')
      await page.press('key-canary-1')
      await page.press('Enter')
      await inState(page, 'done', 'keys')
      assert.equal(await focused(page), 'Connect keys')
      assert.match(await page.text('auth-status [role=status]'), /Connected as/)
      await expectAccessible(page)
      states += 1
    }))

  it('offers every control by its role and name, and its fields to password managers', () =>
    tell(world, engine, async ({ open }) => {
      const page = await open('integrations=either&method=')
      await page.click(trigger('either'))
      await page.waitFor('auth-form [name=method]')
      const expected: [string, string][] = [
        ['button', 'Connect either'],
        ['radio', 'Sign in with the authorization server'],
        ['radio', 'API key'],
        ['radio', 'Password'],
      ]
      for (const [role, label] of expected) await page.offers(role, label)
      await page.click('auth-form [value=basic]')
      await page.waitFor('auth-form [name=password]')
      for (const [role, label] of [
        ['textbox', 'User name'],
        ['button', 'Show Password'],
      ] as const)
        await page.offers(role, label)
      // A password manager looks for inputs in a form of the document, by type, name, id and label.
      const fields = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLInputElement>('form input:not([type=radio])')].map(
          ({ type, name: called, id, labels, form }) =>
            [type, called, id !== '', labels?.[0]?.textContent, form !== null].join(),
        ),
      )
      assert.deepEqual(fields, ['text,username,true,User name,true', 'password,password,true,Password,true'])
      assert.equal(
        await page.evaluate(() => [...document.querySelectorAll('*')].some((one) => one.shadowRoot)),
        false,
      )
      await expectAccessible(page)
      states += 1
    }))

  it('connects by OAuth by keyboard alone, and says each state in a live region', () =>
    tell(world, engine, async ({ open, profile }) => {
      const page = await open()
      await page.waitFor(trigger())
      await tabTo(page, 'Connect crm')
      await page.press('Enter')
      const provider = await profile.find('#allow')
      await inState(page, 'authorize')
      assert.match(await page.text('auth-status [role=status]'), /Continue in the .* window/)
      await page.offers('button', 'Cancel')
      await expectAccessible(page)
      // The page there is the provider's.
      await provider.click('#allow')
      await inState(page, 'done')
      assert.match(await page.text('auth-status [role=status]'), /Connected as/)
      await expectAccessible(page)
      states += 2
    }))
})

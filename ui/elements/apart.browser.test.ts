// A flow whose parts all stand elsewhere in the page, and name it by `for`.

import { sendKeys } from '@web/test-runner-commands'
import { fakeConnect, type FakeConnect } from '../fake/fake-connect.ts'
import { equal } from '../fixtures/equal.ts'
import {
  cleanUp,
  expectAccessible,
  fixture,
  inState,
  kinds,
  need,
  record,
  settled,
  until,
} from '../fixtures/page.ts'
import type { AuthFlowElement } from './auth-flow.ts'

const content = '<h2>Connect Kinds</h2><auth-form for="apart"></auth-form>'
const panels = {
  dialog: `<auth-panel for="apart" hidden><dialog>${content}</dialog></auth-panel>`,
  popover: `<auth-panel for="apart" popover hidden>${content}</auth-panel>`,
}
const tags = ['auth-trigger', 'auth-panel', 'auth-form', 'auth-status']

describe('parts that all stand outside the flow', () => {
  let fake: FakeConnect
  beforeEach(() => {
    fake = fakeConnect({ integrations: [kinds], delayMs: 10 })
  })
  afterEach(() => {
    cleanUp()
    fake.restore()
  })

  for (const [mode, panel] of Object.entries(panels)) {
    async function place(): Promise<{ flow: AuthFlowElement; page: HTMLElement }> {
      const flow = await fixture(`
        <header><auth-trigger for="apart"><button type="button">Connect</button></auth-trigger></header>
        <aside><auth-flow id="apart" integration="kinds" load="none"></auth-flow></aside>
        ${panel}
        <footer><auth-status for="apart"></auth-status></footer>`)
      flow.definition = kinds
      await settled()
      return { flow, page: need(document, '[data-fixture]') }
    }
    const focused = (selector: string): Promise<unknown> =>
      until(() => document.activeElement?.matches(selector), `the focus at ${selector}`)
    const statesOf = (page: HTMLElement): (string | undefined)[] =>
      tags.map((tag) => need(page, tag).dataset['state'])

    it(`Enter opens the panel at its first control, and Escape gives the focus back (${mode})`, async () => {
      const { flow, page } = await place()
      const seen = record(flow, 'auth-open', 'auth-close')
      need(page, 'auth-trigger button').focus()
      await sendKeys({ press: 'Enter' })
      await focused('[name=workspace]')
      equal([flow.open, need(page, 'auth-panel').checkVisibility()], [true, true])
      equal(statesOf(page), ['fields', 'fields', 'fields', 'fields'])
      await expectAccessible(page)
      await sendKeys({ press: 'Escape' })
      await focused('auth-trigger button')
      equal([flow.open, need(page, 'auth-panel').hidden], [false, true])
      equal(seen, ['auth-open', 'auth-close'])
    })

    it(`connects: every part has the state, and the panel is closed (${mode})`, async () => {
      const { flow, page } = await place()
      need(page, 'auth-trigger button').click()
      const form = await until(() => page.querySelector('auth-form form'), 'the form')
      need<HTMLInputElement>(form, '[name=workspace]').value = 'acme'
      need<HTMLInputElement>(form, '[name=apiKey]').value = 'key'
      need<HTMLSelectElement>(form, '[name=region]').value = 'eu'
      need(form, '[data-part=submit]').click()
      await inState(flow, 'done')
      await settled()
      equal(statesOf(page), ['done', 'done', 'done', 'done'])
      equal([flow.open, need(page, 'auth-panel').hidden], [false, true])
      equal(need(page, 'auth-status').textContent, 'Connected as ada@example.com in Acme')
    })
  }
})

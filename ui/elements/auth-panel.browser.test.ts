import { sendKeys } from '@web/test-runner-commands'
import { equal } from '../fixtures/equal.ts'
import {
  choice,
  cleanUp,
  expectAccessible,
  fixture,
  kinds,
  markup,
  need,
  openForm,
  record,
  settled,
  until,
} from '../fixtures/page.ts'
import { configureAuthFlow } from '../flow/configure.ts'

const dialog = (): string =>
  markup().replace(
    /<auth-panel hidden>(.*)<\/auth-panel>/,
    '<auth-panel hidden><dialog>$1</dialog></auth-panel>',
  )
const popover = (): string => markup().replace('<auth-panel hidden>', '<auth-panel popover hidden>')

const focused = (selector: string): Promise<boolean> =>
  until(
    () => document.activeElement?.matches(selector),
    `the focus at ${selector}, not ${document.activeElement?.outerHTML.slice(0, 80)}`,
  )

describe('auth-panel', () => {
  before(() => configureAuthFlow({ endpoint: 'http://localhost:9' }))
  afterEach(cleanUp)

  for (const [mode, source] of Object.entries({ inline: markup(), dialog: dialog(), popover: popover() })) {
    it(`is accessible and named by its heading (${mode})`, async () => {
      const flow = await fixture(source)
      await openForm(flow, kinds)
      await expectAccessible(flow)
      const surface = flow.querySelector('dialog') ?? need(flow, 'auth-panel')
      const heading = document.getElementById(surface.getAttribute('aria-labelledby') ?? '')
      equal(heading?.textContent, 'Connect Kinds')
    })

    it(`moves the focus to the first control, and back when Escape closes it (${mode})`, async () => {
      const flow = await fixture(source)
      flow.definition = kinds
      await settled()
      const seen: string[] = []
      flow.addEventListener('auth-close', (event) => seen.push(event.detail.reason))
      const button = need(flow, 'auth-trigger button')
      button.focus()
      await sendKeys({ press: 'Enter' })
      await focused('[name=workspace]')
      equal(need(flow, 'auth-panel').checkVisibility(), true)
      await sendKeys({ press: 'Escape' })
      await focused('auth-trigger button')
      await settled()
      equal([flow.open, need(flow, 'auth-panel').hidden], [false, true])
      equal(seen, ['escape'])
    })

    it(`opens again with what was typed (${mode})`, async () => {
      const flow = await fixture(source)
      const form = await openForm(flow, kinds)
      need<HTMLInputElement>(form, '[name=note]').value = 'mine'
      flow.close()
      await settled()
      equal(need(flow, 'auth-panel').checkVisibility(), false)
      need(flow, 'auth-trigger button').click()
      equal(
        [need<HTMLInputElement>(flow, '[name=note]').value, need(flow, 'form').checkVisibility()],
        ['mine', true],
      )
    })
  }

  it('a dialog is modal, and may close itself', async () => {
    const flow = await fixture(dialog())
    await openForm(flow, choice)
    const element = need<HTMLDialogElement>(flow, 'dialog')
    equal(element.matches(':modal'), true)
    element.close()
    await until(() => !flow.open, 'the flow to know')
  })

  it('auth-open and auth-close can be prevented', async () => {
    const flow = await fixture(markup())
    const veto = (event: Event): void => event.preventDefault()
    flow.definition = kinds
    await settled()
    flow.addEventListener('auth-open', veto)
    flow.show()
    equal([flow.open, need(flow, 'auth-panel').hidden], [false, true])
    flow.removeEventListener('auth-open', veto)
    flow.addEventListener('auth-close', veto)
    flow.show()
    flow.close()
    equal([flow.open, need(flow, 'auth-panel').hidden], [true, false])
  })

  it('opens again by an own control that starts, after it was closed', async () => {
    const flow = await fixture(markup())
    flow.insertAdjacentHTML(
      'beforeend',
      '<button type="button" data-auth-action="start" id="own">Go</button>',
    )
    await openForm(flow, choice)
    flow.close()
    equal(flow.open, false)
    need(flow, '#own').click()
    equal([flow.open, flow.getAttribute('data-state')], [true, 'choose'])
  })

  it('closes when an own control cancels, with a word for screen readers', async () => {
    const flow = await fixture(
      markup({ status: false }).replace(
        '</auth-panel>',
        '<button data-auth-action="cancel">No</button></auth-panel>',
      ),
    )
    await openForm(flow, choice)
    const seen = record(flow, 'auth-close', 'auth-cancel')
    need(flow, '[data-auth-action=cancel]').click()
    equal(
      [flow.getAttribute('data-state'), flow.open, seen],
      ['cancelled', false, ['auth-cancel', 'auth-close']],
    )
    await until(
      () => document.querySelector('body > [role=status]')?.textContent === 'Cancelled.',
      'the word',
    )
  })
})

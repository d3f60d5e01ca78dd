// The elements against a real authflow server with stand-in providers, the popup blocker on.

import { executeServerCommand, sendKeys } from '@web/test-runner-commands'
import type { AuthFlowElement } from './auth-flow.ts'
import { equal } from '../fixtures/equal.ts'
import {
  cleanUp,
  connectServer,
  expectAccessible,
  fixture,
  inState,
  need,
  newAccount,
  record,
  until,
  withoutGesture,
  type Addresses,
} from '../fixtures/page.ts'

let server: Addresses

const page = (
  integration: string,
  { account = newAccount(), flow = '', status = '<auth-status></auth-status>' } = {},
): string => `
  <auth-flow integration="${integration}" account-id="${account}" token-url="${server.backend}/${account}" ${flow}>
    <auth-trigger><button type="button">Connect</button></auth-trigger>
    <auth-panel hidden><h2>Connect</h2><auth-form></auth-form></auth-panel>
    ${status}
    <button type="button" data-auth-action="disconnect">Disconnect</button>
  </auth-flow>`

/** A click as a person does it: it counts as a gesture. */
async function press(control: HTMLElement): Promise<void> {
  control.focus()
  await sendKeys({ press: 'Enter' })
}

const statusOf = (flow: Element): string => flow.querySelector('[role=status]')?.textContent?.trim() ?? ''
const trigger = (flow: Element): HTMLElement => need(flow, 'auth-trigger button')
const field = (flow: Element, name: string): Promise<HTMLInputElement> =>
  until(() => flow.querySelector<HTMLInputElement>(`auth-form [name=${name}]`), `the field ${name}`)
const errorOf = (flow: Element, name: string): string =>
  flow.querySelector(`[data-field=${name}] [data-part=error]`)?.textContent ?? ''

async function fillKinds(flow: AuthFlowElement, key: string): Promise<void> {
  trigger(flow).click()
  ;(await field(flow, 'workspace')).value = 'https://ACME.example.com/x'
  ;(await field(flow, 'apiKey')).value = key
  ;(await field(flow, 'region')).value = 'eu'
  need<HTMLButtonElement>(flow, '[data-part=submit]').click()
}

describe('connecting with a key', () => {
  before(async () => {
    server = await connectServer()
  })
  afterEach(cleanUp)

  it('connects, says as whom, closes the panel and forgets the key; then disconnects', async () => {
    const flow = await fixture(page('kinds'))
    const seen = record(
      flow,
      'auth-start',
      'auth-open',
      'auth-submit',
      'auth-success',
      'auth-close',
      'auth-error',
    )
    await fillKinds(flow, 'good-key')
    const settled = await flow.whenSettled()
    equal(settled.connection?.identity.label, 'acme eu false')
    equal(flow.connection?.state, 'active')
    equal([flow.dataset['state'], flow.dataset['connection'], flow.open], ['done', 'active', false])
    equal(statusOf(flow), 'Connected as acme eu false in Kinds')
    equal((await field(flow, 'apiKey')).value, '')
    equal(seen, ['auth-start', 'auth-open', 'auth-submit', 'auth-close', 'auth-success'])
    await expectAccessible(flow)

    need(flow, '[data-auth-action=disconnect]').click()
    await until(() => flow.dataset['connection'] === 'none', 'the disconnection')
    equal([flow.dataset['state'], statusOf(flow)], ['idle', ''])
  })

  it('puts the provider’s refusal at the field, and takes a better key', async () => {
    const flow = await fixture(page('kinds'))
    const errors: string[] = []
    flow.addEventListener('auth-error', (event) => errors.push(event.detail.code))
    await fillKinds(flow, 'bad-key')
    await until(() => errorOf(flow, 'apiKey'), 'the error')
    const input = await field(flow, 'apiKey')
    equal(
      [errorOf(flow, 'apiKey'), flow.dataset['state'], flow.open],
      ['The key is not known.', 'fields', true],
    )
    equal([document.activeElement === input, input.value], [true, 'bad-key'])
    equal((await field(flow, 'workspace')).value, 'https://ACME.example.com/x')
    equal(errors, ['invalid_fields'])
    await expectAccessible(flow)

    input.value = 'good-key'
    input.dispatchEvent(new InputEvent('input', { bubbles: true }))
    equal(errorOf(flow, 'apiKey'), '')
    need(flow, '[data-part=submit]').click()
    await inState(flow, 'done')
  })

  it('verifies an Airtable token chosen instead of OAuth', async () => {
    const flow = await fixture(page('airtable'))
    trigger(flow).click()
    const radio = await until(() => flow.querySelector<HTMLInputElement>('[value=apiKey]'), 'the choice')
    radio.click()
    const input = await field(flow, 'apiKey')
    input.value = `pat${'a'.repeat(14)}.${'0'.repeat(64)}`
    need(flow, '[data-part=submit]').click()
    await until(() => errorOf(flow, 'apiKey'), 'the refusal')
    input.value = server.airtableToken
    need(flow, '[data-part=submit]').click()
    await inState(flow, 'done')
    equal(flow.connection?.method, 'apiKey')
  })

  it('says at once that a shop address is none, and sends nothing', async () => {
    const flow = await fixture(page('shopify'))
    trigger(flow).click()
    ;(await field(flow, 'shop')).value = 'evil.com'
    need(flow, '[data-part=submit]').click()
    equal(errorOf(flow, 'shop'), 'This is not a Shopify address. It looks like your-shop.myshopify.com.')
    equal(flow.dataset['state'], 'fields')
  })

  it('reads the connection of the account with load="eager"', async () => {
    const account = newAccount()
    const first = await fixture(page('kinds', { account }))
    await fillKinds(first, 'good-key')
    await inState(first, 'done')
    const second = await fixture(page('kinds', { account, flow: 'load="eager"' }))
    await until(() => second.dataset['connection'] === 'active', 'the connection')
    await until(() => statusOf(second), 'the status')
    equal([second.dataset['state'], statusOf(second)], ['idle', 'Connected as acme eu false in Kinds'])
    const other = await fixture(page('kinds', { flow: 'load="visible"' }))
    await until(() => other.dataset['connection'], 'an answer')
    equal(other.dataset['connection'], 'none')
  })

  it('is refused for an account that the token is not for, with the code', async () => {
    const flow = await fixture(page('kinds'))
    let code = ''
    flow.addEventListener('auth-error', (event) => (code = event.detail.code))
    flow.setAttribute('account-id', 'somebody-else')
    await fillKinds(flow, 'good-key')
    await inState(flow, 'failed')
    equal(code, 'account_mismatch')
  })

  it('mints a new token where the one that the page has is spent', async () => {
    const account = newAccount()
    const flow = await fixture(page('kinds', { account }))
    const asked: string[] = []
    let kept: unknown
    flow.connectToken = async ({ integrations, purpose }) => {
      asked.push(purpose)
      const body = JSON.stringify({ integrations, purpose })
      const minted = await (await fetch(`${server.backend}/${account}`, { method: 'POST', body })).json()
      // A host that hands out the same token once more.
      if (purpose === 'create' && asked.filter((one) => one === 'create').length !== 2) kept = minted.token
      return purpose === 'create' ? String(kept) : minted
    }
    await fillKinds(flow, 'good-key')
    await inState(flow, 'done')
    await flow.flow.disconnect()
    await fillKinds(flow, 'good-key')
    await inState(flow, 'done')
    equal(asked, ['create', 'manage', 'create', 'create'])
  })

  it('mints a new token where the one that the page has is over', async () => {
    const account = newAccount()
    const flow = await fixture(page('kinds', { account }))
    const codes: string[] = []
    flow.addEventListener('auth-error', (event) => codes.push(event.detail.code))
    let minted = 0
    flow.connectToken = async ({ integrations, purpose }) => {
      minted += 1
      const headers: Record<string, string> = minted === 1 ? { 'x-aged': '1' } : {}
      const body = JSON.stringify({ integrations, purpose })
      return (await fetch(`${server.backend}/${account}`, { method: 'POST', headers, body })).json()
    }
    await fillKinds(flow, 'good-key')
    await inState(flow, 'done')
    equal([minted, codes], [2, []])
  })
})

describe('connecting by OAuth', () => {
  before(async () => {
    server = await connectServer()
  })
  beforeEach(() => executeServerCommand('front'))
  afterEach(cleanUp)

  it('goes through the window and comes back', async () => {
    const flow = await fixture(page('slack', { flow: 'load="eager"' }))
    await until(() => flow.dataset['state'] === 'idle', 'the description')
    const seen = record(flow, 'auth-start', 'auth-open', 'auth-popup-closed', 'auth-success')
    await press(trigger(flow))
    await inState(flow, 'authorize')
    equal([statusOf(flow), flow.hasAttribute('data-busy')], ['Continue in the Slack window.', true])
    await expectAccessible(flow)
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'done')
    equal(statusOf(flow).startsWith('Connected as '), true)
    equal(seen, ['auth-start', 'auth-success'])
  })

  it('brings denied consent back as a message, and lets the user try again', async () => {
    const flow = await fixture(page('slack', { flow: 'method="oauth2"' }))
    await press(trigger(flow))
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'deny')
    await until(() => /failed|cancelled/.test(flow.dataset['state'] ?? ''), 'the refusal')
    await until(() => statusOf(flow), 'the message')
    await press(trigger(flow))
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'done')
  })

  it('asks for the shop first; the form’s submit opens the window', async () => {
    const flow = await fixture(page('shopify'))
    await press(trigger(flow))
    const shop = await field(flow, 'shop')
    shop.value = 'ACME'
    shop.focus()
    await sendKeys({ press: 'Enter' })
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'done')
    equal(flow.connection?.fields, { shop: 'acme.myshopify.com' })
  })

  it('shows a button where the browser blocks the window, and goes on from there', async () => {
    const flow = await fixture(page('slack', { flow: 'method="oauth2"' }))
    const seen = record(flow, 'auth-popup-blocked')
    // No gesture: the blocker, which is on, refuses.
    await withoutGesture()
    trigger(flow).click()
    await inState(flow, 'blocked')
    const button = await until(() => flow.querySelector<HTMLElement>('[data-part=open]'), 'the button')
    equal(
      [statusOf(flow), flow.open, seen],
      ['Your browser blocked the Slack window.', true, ['auth-popup-blocked']],
    )
    await expectAccessible(flow)
    await press(button)
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'done')
  })

  it('where no script may open a window, the browser sends the form itself', async () => {
    const flow = await fixture(page('slack', { flow: 'method="oauth2"' }))
    await withoutGesture()
    trigger(flow).click()
    await inState(flow, 'blocked')
    const button = await until(() => flow.querySelector<HTMLElement>('[data-part=open]'), 'the button')
    const { open } = window
    window.open = () => null
    await press(button)
    window.open = open
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'done')
  })

  it('offers to open the window again when it seems to be gone, and cancels for good', async () => {
    const flow = await fixture(page('slack', { flow: 'method="oauth2"' }))
    const seen = record(flow, 'auth-popup-closed', 'auth-cancel')
    await press(trigger(flow))
    await inState(flow, 'authorize')
    await executeServerCommand('close-window', '[data-testid=sandbox-consent]')
    const reopen = await until(
      () => flow.querySelector<HTMLElement>('[data-auth-action=reopen]'),
      'the way back',
    )
    equal([flow.dataset['state'], seen], ['authorize', ['auth-popup-closed']])
    await expectAccessible(flow)
    await press(reopen)
    await inState(flow, 'authorize')
    await executeServerCommand('look', '[data-testid=sandbox-consent]')
    flow.flow.cancel()
    equal([flow.dataset['state'], seen.at(-1), statusOf(flow)], ['cancelled', 'auth-cancel', 'Cancelled.'])
    equal(sessionStorage.length, 0)
    // The window is the provider's by now, and nobody's to close; what is done there comes to nothing.
    await executeServerCommand('consent', 'allow')
    await press(trigger(flow))
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'done')
  })

  it('takes the flow up again after a reload', async () => {
    const account = newAccount()
    const flow = await fixture(page('slack', { account, flow: 'method="oauth2"' }))
    await press(trigger(flow))
    await inState(flow, 'authorize')
    // As a reload does it: nothing is left but the tab's memory.
    flow.remove()
    const next = await fixture(page('slack', { account }))
    await inState(next, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(next, 'done')
    equal(sessionStorage.length, 0)
  })

  it('goes on while it is out of the document for a moment', async () => {
    const flow = await fixture(page('slack', { flow: 'method="oauth2"' }))
    await press(trigger(flow))
    await inState(flow, 'authorize')
    const place = need(document, 'main')
    flow.remove()
    await executeServerCommand('consent', 'allow')
    equal(flow.dataset['state'], 'authorize')
    place.append(flow)
    await inState(flow, 'done')
  })

  const host = (more: Readonly<Record<string, string>>): Promise<unknown> => {
    const query = new URLSearchParams({
      account: newAccount(),
      mode: 'popup',
      csp: '',
      referrer: '',
      ...server,
      ...more,
    })
    return executeServerCommand('open-window', `/ui/fixtures/host.html?${query}`)
  }
  const see = (selector: string): Promise<{ url: string; text: string }> =>
    executeServerCommand<{ url: string; text: string }, string>('look', `[data-page=host] ${selector}`)
  const clickTrigger = (): Promise<unknown> =>
    executeServerCommand('click', '[data-page=host] auth-trigger:defined button')

  describe('from another page', () => {
    afterEach(() => executeServerCommand('close-window', '[data-page=host]'))

    it('by redirect leaves the page, comes back to it and cleans its address', async () => {
      await host({ mode: 'redirect' })
      await clickTrigger()
      await executeServerCommand('consent', 'allow')
      const { url, text } = await see('auth-flow[data-state=done] [role=status]')
      equal([text.trim().startsWith('Connected as '), url.includes('authflow_flow')], [true, false])
    })

    it('by redirect can be begun again, or given up, after Back', async () => {
      await host({ mode: 'redirect' })
      await clickTrigger()
      await executeServerCommand('back', '[data-testid=sandbox-consent]')
      await executeServerCommand('click', '[data-page=host] [data-auth-action=reopen]')
      await executeServerCommand('consent', 'allow')
      await see('auth-flow[data-state=done]')
    })

    it('works where the page sends no referrer', async () => {
      await host({ referrer: 'no-referrer' })
      await clickTrigger()
      await executeServerCommand('consent', 'allow')
      await see('auth-flow[data-state=done]')
    })

    it('says csp_blocked where the page may not reach the server', async () => {
      await host({ csp: `connect-src 'self' ${server.backend}` })
      await clickTrigger()
      await see('auth-flow[data-state=failed][data-error=csp_blocked]')
    })

    it('says csp_blocked where the page may not send the form', async () => {
      await host({ csp: "form-action 'self'" })
      await clickTrigger()
      await see('auth-flow[data-state=failed][data-error=csp_blocked]')
    })
  })
})

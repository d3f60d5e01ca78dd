// What is asked after authorisation, and asking for more scopes, against a real authflow server with the stand-in Slack.

import { executeServerCommand, sendKeys } from '@web/test-runner-commands'
import { fakeConnect, type FakeConnect } from '../fake/fake-connect.ts'
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
  simple,
  until,
  type Addresses,
} from '../fixtures/page.ts'
import type { AuthFlowElement } from './auth-flow.ts'

let server: Addresses
let account = ''

const page = (integration: string, trigger = ''): string => `
  <auth-flow integration="${integration}" account-id="${account}" token-url="${server.backend}/${account}" method="oauth2">
    <auth-trigger ${trigger}><button type="button">Connect</button></auth-trigger>
    <auth-panel hidden><h2>Connect</h2><auth-form></auth-form></auth-panel>
    <auth-status></auth-status>
  </auth-flow>`

async function press(control: HTMLElement): Promise<void> {
  control.focus()
  await sendKeys({ press: 'Enter' })
}

/** A page whose user has consented. */
async function consented(integration = 'slack-channel'): Promise<AuthFlowElement> {
  const flow = await fixture(page(integration))
  await press(need(flow, 'auth-trigger button'))
  await inState(flow, 'authorize')
  await executeServerCommand('consent', 'allow')
  return flow
}

const channel = (flow: Element): HTMLSelectElement => need<HTMLSelectElement>(flow, 'select[name=channel]')
const labels = (flow: Element): string[] => [...channel(flow).options].map(({ text }) => text)
const errorOf = (flow: Element): string => need(flow, '[data-field=channel] [data-part=error]').textContent
const submit = (flow: Element): HTMLElement => need(flow, '[data-part=submit]')
const failNext = (status: number): Promise<Response> =>
  fetch(server.backend, { method: 'POST', body: '{}', headers: { 'x-fault': String(status) } })

describe('configure', () => {
  before(async () => {
    server = await connectServer()
  })
  beforeEach(async () => {
    account = newAccount()
    await executeServerCommand('front')
  })
  afterEach(cleanUp)

  it('opens the panel with the account’s own choices, and connects with the answer', async () => {
    const flow = await consented()
    await inState(flow, 'configure')
    equal(need(flow, 'auth-panel').hidden, false)
    equal(labels(flow), ['Choose a channel', '#general', '#random', '🔒 orders'])
    equal([submit(flow).textContent, flow.querySelector('[data-part=scopes]')], ['Connect', null])
    await until(() => document.activeElement === channel(flow), 'the focus at the choice')
    await expectAccessible(flow)

    await sendKeys({ press: 'ArrowDown' })
    await sendKeys({ press: 'ArrowDown' })
    await press(submit(flow))
    await inState(flow, 'done')
    equal(flow.connection?.fields['channelName'], 'random')
    equal(need(flow, 'auth-panel').hidden, true)
  })

  it('wants an answer', async () => {
    const flow = await consented()
    await inState(flow, 'configure')
    await press(submit(flow))
    equal(errorOf(flow), 'Channel is required.')
    equal([document.activeElement, channel(flow).getAttribute('aria-invalid')], [channel(flow), 'true'])
    await expectAccessible(flow)
  })

  it('goes on after a reload of the page', async () => {
    const flow = await consented()
    await inState(flow, 'configure')
    flow.closest('main')?.remove()
    const again = await fixture(page('slack-channel'))
    await inState(again, 'configure')
    equal(labels(again).length, 4)
    channel(again).value = 'C0ACMEGEN'
    await press(submit(again))
    await inState(again, 'done')
  })

  it('tells at the field that choices can not be loaded, and loads them when it is sent again', async () => {
    await failNext(503)
    const flow = await consented()
    await inState(flow, 'configure')
    equal(errorOf(flow).length > 10, true)
    equal(labels(flow), ['Choose a channel'])
    await expectAccessible(flow)
    await press(submit(flow))
    await until(() => labels(flow).length === 4, 'the choices')
    channel(flow).value = 'C0ACMERAN'
    await press(submit(flow))
    await inState(flow, 'done')
  })

  it('keeps the flow when the answer can not be sent, and takes it up by «Try again»', async () => {
    const flow = await consented()
    await inState(flow, 'configure')
    channel(flow).value = 'C0ACMERAN'
    const { fetch: own } = globalThis
    globalThis.fetch = () => Promise.reject(new TypeError('offline'))
    await press(submit(flow))
    await inState(flow, 'failed')
    globalThis.fetch = own
    await press(need(flow, 'auth-status [data-part=retry]'))
    await inState(flow, 'configure')
    equal(channel(flow).value, 'C0ACMERAN')
    await press(submit(flow))
    await inState(flow, 'done')
  })

  it('fills a form of the author’s own', async () => {
    const flow = await fixture(
      page('slack-channel').replace(
        '<auth-form>',
        '<auth-form><form method="dialog"><label>Where <select name="channel"></select></label><button>Go</button></form>',
      ),
    )
    await press(need(flow, 'auth-trigger button'))
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'configure')
    await until(() => channel(flow).options.length === 3, 'the choices')
    channel(flow).value = 'C0ACMERAN'
    await press(need(flow, 'form button'))
    await inState(flow, 'done')
  })

  it('gives up by the author’s own control, and connects nothing', async () => {
    const flow = await consented()
    await inState(flow, 'configure')
    flow.flow.cancel()
    await inState(flow, 'cancelled')
    equal(flow.connection, undefined)
  })
})

describe('changing what was configured', () => {
  before(async () => {
    server = await connectServer()
  })
  beforeEach(async () => {
    account = newAccount()
    await executeServerCommand('front')
  })
  afterEach(cleanUp)

  const change = (flow: Element): HTMLElement => need(flow, 'auth-status [data-part=configure]')

  /** A page whose account posts to #general. */
  async function connected(): Promise<AuthFlowElement> {
    const flow = await consented()
    await inState(flow, 'configure')
    channel(flow).value = 'C0ACMEGEN'
    await press(submit(flow))
    await inState(flow, 'done')
    await until(() => flow.querySelector('[data-part=configure]'), 'the button')
    return flow
  }

  it('is offered where there is something to change, and takes the answer without a window', async () => {
    const flow = await connected()
    equal(change(flow).textContent, 'Change channel')
    await expectAccessible(flow)
    const { open } = globalThis
    globalThis.open = () => {
      throw new Error('a window was opened')
    }
    await press(change(flow))
    await inState(flow, 'configure')
    globalThis.open = open
    equal([flow.dataset['connection'], need(flow, 'auth-panel').hidden], ['active', false])
    await until(() => document.activeElement === channel(flow), 'the focus at the choice')
    equal(channel(flow).value, 'C0ACMEGEN')
    await expectAccessible(flow)

    const seen = record(flow, 'auth-success')
    await sendKeys({ press: 'ArrowDown' })
    await press(submit(flow))
    await inState(flow, 'done')
    equal([flow.connection?.fields['channelName'], seen], ['random', ['auth-success']])
    equal([need(flow, 'auth-panel').hidden, document.activeElement], [true, change(flow)])

    // A second time it begins with what was answered last.
    await press(change(flow))
    await inState(flow, 'configure')
    equal(channel(flow).value, 'C0ACMERAN')
  })

  it('is asked again after the panel was closed, and given up without harm', async () => {
    const flow = await connected()
    await press(change(flow))
    await inState(flow, 'configure')
    await until(() => document.activeElement === channel(flow), 'the focus at the choice')
    await sendKeys({ press: 'Escape' })
    equal([need(flow, 'auth-panel').hidden, document.activeElement], [true, change(flow)])
    await press(change(flow))
    equal(need(flow, 'auth-panel').hidden, false)
    channel(flow).value = 'C0ACMERAN'
    flow.flow.cancel()
    await inState(flow, 'cancelled')
    equal([flow.dataset['connection'], flow.connection?.fields['channelName']], ['active', 'general'])
    await press(change(flow))
    await inState(flow, 'configure')
    equal(channel(flow).value, 'C0ACMEGEN')
  })

  it('goes on after a reload of the page', async () => {
    const flow = await connected()
    await press(change(flow))
    await inState(flow, 'configure')
    flow.closest('main')?.remove()
    const again = await fixture(page('slack-channel'))
    await inState(again, 'configure')
    equal(channel(again).value, 'C0ACMEGEN')
  })

  it('is repeated by «Try again» when the server could not be reached', async () => {
    const flow = await connected()
    const { fetch: own } = globalThis
    globalThis.fetch = () => Promise.reject(new TypeError('offline'))
    await press(change(flow))
    await inState(flow, 'failed')
    globalThis.fetch = own
    await press(need(flow, 'auth-status [data-part=retry]'))
    await inState(flow, 'configure')
  })

  it('works by a control of the author’s own', async () => {
    const flow = await connected()
    flow.insertAdjacentHTML(
      'beforeend',
      '<button type="button" data-auth-action="configure" id="own">Another channel</button>',
    )
    await press(need(flow, '#own'))
    await inState(flow, 'configure')
    flow.flow.cancel()
  })

  it('is not offered where nothing was asked', async () => {
    const flow = await consented('slack')
    await inState(flow, 'done')
    await until(() => flow.flow.getSnapshot().name, 'the description')
    equal(flow.querySelector('auth-status button'), null)
  })
})

describe('the fake, asked after authorisation', () => {
  let fake: FakeConnect
  afterEach(() => {
    fake.restore()
    cleanUp()
  })

  it('shows the stage with the fields it is given', async () => {
    const schema = { type: 'string', maxLength: 64, title: 'Channel', enum: ['C1', 'C2'] } as const
    fake = fakeConnect({
      integrations: [simple],
      delayMs: 0,
      configure: [
        {
          name: 'channel',
          required: true,
          secret: false,
          normalise: [],
          schema,
          optionLabels: ['#one', '#two'],
        },
      ],
    })
    account = newAccount()
    const flow = await fixture(page('simple').replace(/token-url="[^"]*"/, ''))
    await press(need(flow, 'auth-trigger button'))
    await inState(flow, 'configure')
    channel(flow).value = 'C2'
    await press(submit(flow))
    await inState(flow, 'done')
    equal(flow.connection?.fields, { channel: 'C2' })
  })
})

describe('<auth-trigger scopes>', () => {
  before(async () => {
    server = await connectServer()
  })
  afterEach(cleanUp)

  it('asks for more of a connection that is there, and keeps what it had', async () => {
    account = `${newAccount()}-more`
    const flow = await consented('slack')
    await inState(flow, 'done')
    equal(flow.connection?.scopes.includes('files:write'), false)
    flow.insertAdjacentHTML(
      'beforeend',
      '<auth-trigger scopes="files:write"><button type="button" id="more">Files, too</button></auth-trigger>',
    )
    await press(need(flow, '#more'))
    await inState(flow, 'authorize')
    await executeServerCommand('consent', 'allow')
    await inState(flow, 'done')
    equal([...(flow.connection?.scopes ?? [])].sort(), [
      'channels:join',
      'channels:read',
      'chat:write',
      'files:write',
    ])
  })

  it('gets no more than the token allows', async () => {
    account = newAccount()
    const flow = await fixture(page('slack', 'scopes="admin"'))
    await press(need(flow, 'auth-trigger button'))
    // The refusal stands in the window; the page only waits.
    await inState(flow, 'authorize')
    const shown = await executeServerCommand('refusal')
    equal(String(shown).includes('scopes_not_allowed'), true)
  })
})

import { equal } from '../fixtures/equal.ts'
import {
  cleanUp,
  connectServer,
  expectAccessible,
  need,
  newAccount,
  record,
  settled,
  until,
  type Addresses,
} from '../fixtures/page.ts'
import type { AuthConnectionsElement } from './auth-connections.ts'

const template = `
  <template>
    <h3 data-part="name"></h3>
    <auth-flow>
      <auth-trigger><button type="button">Connect</button></auth-trigger>
      <auth-panel hidden><auth-form></auth-form></auth-panel>
      <auth-status></auth-status>
      <button type="button" data-auth-action="disconnect">Disconnect</button>
    </auth-flow>
  </template>`

describe('auth-connections', () => {
  let server: Addresses
  before(async () => {
    server = await connectServer()
  })
  afterEach(cleanUp)

  async function place(attributes: string, content = template): Promise<AuthConnectionsElement> {
    const main = document.createElement('main')
    main.dataset['fixture'] = ''
    main.innerHTML = `<auth-connections ${attributes}>${content}</auth-connections>`
    document.body.append(main)
    await settled()
    return need<AuthConnectionsElement>(main, 'auth-connections')
  }
  const listFor = (account: string, more = ''): Promise<AuthConnectionsElement> =>
    place(
      `integrations="kinds slack" account-id="${account}" token-url="${server.backend}/${account}" ${more}`,
    )
  const ready = (list: Element): Promise<true> =>
    until(() => list.getAttribute('data-state') === 'ready', 'the list to be read')
  const item = (list: Element, integration: string): HTMLElement =>
    need(list, `[data-integration=${integration}]`)
  const stateOf = (list: Element, integration: string): string | null =>
    need(item(list, integration), 'auth-flow').getAttribute('data-connection')

  it('is an accessible list, an item for each integration, in their order and with their names', async () => {
    const list = await listFor(newAccount(), 'item-class="card"')
    await ready(list)
    await until(() => need(item(list, 'slack'), 'h3').textContent, 'the name')
    equal(
      [...list.querySelectorAll('[role=list] > [role=listitem]')].map((one) => [
        one.getAttribute('data-integration'),
        one.className,
        one.querySelector('h3')?.textContent,
      ]),
      [
        ['kinds', 'card', 'Kinds'],
        ['slack', 'card', 'Slack'],
      ],
    )
    equal([stateOf(list, 'kinds'), stateOf(list, 'slack')], ['none', 'none'])
    await expectAccessible(list)
  })

  it('asks for one token and reads all connections at once', async () => {
    const account = newAccount()
    const needs: unknown[] = []
    const other = document.createElement('auth-connections')
    Object.assign(other, {
      integrations: 'kinds slack',
      accountId: account,
      connectToken: async (need: { integrations: string[]; purpose: string }) => {
        needs.push(need)
        const response = await fetch(`${server.backend}/${account}`, {
          method: 'POST',
          body: JSON.stringify(need),
        })
        return response.json()
      },
    })
    other.dataset['fixture'] = ''
    other.innerHTML = template
    document.body.append(other)
    await ready(other)
    equal(needs, [
      { integration: undefined, integrations: ['kinds', 'slack'], accountId: account, purpose: 'manage' },
    ])
  })

  it('connects and disconnects in an item, and shows it after the list is read again', async () => {
    const account = newAccount()
    const list = await listFor(account)
    await ready(list)
    const seen = record(list, 'auth-success')
    const kinds = item(list, 'kinds')
    await until(() => need(kinds, 'h3').textContent, 'the name')
    need(kinds, 'auth-trigger button').click()
    const form = await until(() => kinds.querySelector('form'), 'the form')
    for (const [name, value] of [
      ['workspace', 'acme'],
      ['apiKey', 'good-key'],
      ['region', 'eu'],
    ])
      need<HTMLInputElement>(form, `[name=${name}]`).value = value ?? ''
    form.requestSubmit()
    await until(() => seen.length === 1, 'the connection')
    equal([stateOf(list, 'kinds'), stateOf(list, 'slack')], ['active', 'none'])

    const second = await listFor(account)
    await until(() => stateOf(second, 'kinds') === 'active', 'the other list')
    equal(
      need(item(second, 'kinds'), '[data-part=status]').textContent,
      'Connected as acme eu false in Kinds',
    )

    need(item(second, 'kinds'), '[data-auth-action=disconnect]').click()
    await until(() => stateOf(second, 'kinds') === 'none', 'the end of the connection')
    await list.refresh()
    equal(stateOf(list, 'kinds'), 'none')
  })

  it('says that it cannot be read, and reads again when a control of the author’s asks for it', async () => {
    const account = newAccount()
    const list = await place(
      `integrations="kinds" account-id="${account}" token-url="${server.backend}/%E0%A4%A"`,
      `${template}<button type="button" data-auth-action="retry">Again</button>`,
    )
    const codes: string[] = []
    list.addEventListener('auth-error', ({ detail }) => codes.push(detail.code))
    await until(() => list.getAttribute('data-state') === 'failed', 'the failure')
    need(list, '[data-auth-action=retry]').click()
    await until(() => codes.length === 1, 'the second failure')
    equal(codes, ['token_request_failed'])
  })

  it('begins anew for another account', async () => {
    const list = await listFor(newAccount())
    await ready(list)
    const before = item(list, 'kinds')
    const other = newAccount()
    list.tokenUrl = `${server.backend}/${other}`
    list.accountId = other
    await until(() => !before.isConnected, 'the new items')
    await ready(list)
    equal(list.querySelectorAll('[role=listitem]').length, 2)
    equal(need(list, 'auth-flow').getAttribute('integration') ?? 'kinds', 'kinds')
  })
})

import { equal } from '../fixtures/equal.ts'
import { choice, cleanUp, fixture, inState, kinds, need, settled, simple, until } from '../fixtures/page.ts'
import { fakeConnect, type FakeConnect, type FakeOutcome } from './fake-connect.ts'

describe('fakeConnect', () => {
  let fake: FakeConnect
  beforeEach(() => {
    fake = fakeConnect({ integrations: [simple, kinds, choice], delayMs: 10 })
  })
  afterEach(() => {
    cleanUp()
    fake.restore()
  })

  const page = (integration: string): string => `
    <auth-flow integration="${integration}" load="eager">
      <auth-trigger><button type="button">Connect</button></auth-trigger>
      <auth-panel hidden><h2>Connect</h2><auth-form></auth-form></auth-panel>
      <auth-status></auth-status>
    </auth-flow>`

  it('connects, lists the connection, and disconnects', async () => {
    const flow = await fixture(page('simple'))
    await until(() => flow.flow.getSnapshot().name, 'the description')
    need(flow, 'auth-trigger button').click()
    await inState(flow, 'done')
    equal(need(flow, 'auth-status').textContent, 'Connected as ada@example.com in Acme')
    equal(
      fake.connections.map(({ integration }) => integration),
      ['simple'],
    )
    await flow.flow.disconnect()
    equal([fake.connections.length, flow.dataset['connection']], [0, 'none'])
    equal(document.querySelectorAll('iframe').length, 0)
  })

  it('lets a disconnect that failed be repeated', async () => {
    const flow = await fixture(page('simple'))
    await until(() => flow.flow.getSnapshot().name, 'the description')
    need(flow, 'auth-trigger button').click()
    await inState(flow, 'done')
    fake.outcome = 'unreachable'
    await flow.flow.disconnect()
    equal([flow.dataset['state'], flow.dataset['connection']], ['failed', 'active'])
    fake.outcome = 'connects'
    need(flow, 'auth-status [data-part=retry]').click()
    await until(() => flow.dataset['connection'] === 'none', 'the end of the connection')
    equal(fake.connections.length, 0)
  })

  const ends: [FakeOutcome, string][] = [
    ['waits', 'authorize'],
    ['verifies', 'verify'],
    ['denied', 'cancelled'],
    ['rejected', 'failed'],
    ['fails', 'failed'],
    ['blocked', 'blocked'],
    ['unreachable', 'failed'],
  ]
  for (const [outcome, state] of ends) {
    it(`${outcome}: ends in ${state}`, async () => {
      const flow = await fixture(page('simple'))
      await until(() => flow.flow.getSnapshot().name, 'the description')
      fake.outcome = outcome
      need(flow, 'auth-trigger button').click()
      await inState(flow, state)
      flow.flow.reset()
    })
  }

  it('shows that the window is lost', async () => {
    const flow = await fixture(page('simple'))
    await until(() => flow.flow.getSnapshot().name, 'the description')
    fake.outcome = 'waits'
    need(flow, 'auth-trigger button').click()
    await inState(flow, 'authorize')
    fake.closeWindow()
    await until(() => flow.flow.getSnapshot().popup === 'lost', 'the window to be missed')
    flow.flow.reset()
  })

  it('judges fields as the server does, and rejects at the first field', async () => {
    fake.outcome = 'rejected'
    const flow = await fixture(page('kinds'))
    await until(() => flow.flow.getSnapshot().name, 'the description')
    need(flow, 'auth-trigger button').click()
    const form = await until(() => flow.querySelector('form'), 'the form')
    need<HTMLInputElement>(form, '[name=workspace]').value = 'acme'
    need<HTMLInputElement>(form, '[name=apiKey]').value = 'key'
    need<HTMLSelectElement>(form, '[name=region]').value = 'eu'
    form.requestSubmit()
    await until(() => need(form, '[data-field=workspace] [data-part=error]').textContent, 'the error')
    fake.outcome = 'connects'
    form.requestSubmit()
    await inState(flow, 'done')
  })

  it('gives fetch and open back', async () => {
    fake.restore()
    const response = await fetch('/authflow-fake/connect/trpc/connections.list')
    equal(response.status, 404)
    await settled()
  })
})

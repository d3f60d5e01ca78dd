import { equal } from '../fixtures/equal.ts'
import { choice, cleanUp, fixture, inState, kinds, need, settled, simple, until } from '../fixtures/page.ts'
import type { FormField } from '../../shared/fields.ts'
import type { ConnectPurpose } from '../../shared/flow.ts'
import { ConnectError } from '../flow/connect-error.ts'
import { createOptionsSearch, type OptionsSearch } from '../flow/search-options.ts'
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

  describe('with a long list to choose from after consent', () => {
    const names = Array.from({ length: 250 }, (_, at) => `channel-${at}`)
    const field: FormField = {
      name: 'channel',
      required: true,
      schema: { type: 'string', title: 'Channel', maxLength: 99, enum: names.map((name) => `id-${name}`) },
      optionLabels: names,
      secret: false,
      normalise: [],
    }
    const option = (at: number): object => ({ value: `id-channel-${at}`, label: `channel-${at}` })
    beforeEach(() => {
      fake.restore()
      fake = fakeConnect({ integrations: [simple], configure: [field], delayMs: 1 })
    })

    async function configuring(): Promise<string> {
      const flow = await fixture(page('simple'))
      await until(() => flow.flow.getSnapshot().name, 'the description')
      need(flow, 'auth-trigger button').click()
      await inState(flow, 'configure')
      return flow.flow.getSnapshot().flowId ?? 'none'
    }

    it('pages it and searches it', async () => {
      const search = createOptionsSearch({ integration: 'simple' })
      const ask = (query: Partial<OptionsSearch>): Promise<unknown> =>
        search({ flowId: 'none', field: 'channel', ...query }).catch((error: unknown) =>
          error instanceof ConnectError ? error.code : error,
        )
      equal(await ask({}), 'flow_conflict')
      const flowId = await configuring()
      const third = { options: Array.from({ length: 50 }, (_, at) => option(200 + at)) }
      equal(await ask({ flowId, cursor: '200' }), third)
      equal(await ask({ flowId, search: ' CHANNEL-24 ' }), {
        options: [option(24), ...Array.from({ length: 10 }, (_, at) => option(240 + at))],
      })
      equal(await ask({ flowId, search: 'nothing' }), { options: [] })
      equal(await ask({ flowId, field: 'other' }), 'invalid_input')
      equal(await ask({ flowId, signal: AbortSignal.abort() }), 'network_error')
    })

    it('asks with a token of the purpose that the flow began with', async () => {
      const flowId = await configuring()
      const minted: ConnectPurpose[] = []
      const search = createOptionsSearch({
        integration: 'simple',
        connectToken: ({ purpose }) => {
          minted.push(purpose)
          return `ctk_ct_${purpose.padEnd(43, 'x')}`
        },
      })
      // As the server does for a flow that began as a reconnection.
      const answer = globalThis.fetch
      globalThis.fetch = (input, init) => {
        const isCreate = new Headers(init?.headers).get('authorization')?.includes('_create') === true
        if (!isCreate) return answer(input, init)
        const authflow = { code: 'purpose_not_allowed', message: 'no', retryable: false, details: {} }
        return Promise.resolve(
          Response.json({ error: { message: 'no', code: -32_600, data: { authflow } } }, { status: 403 }),
        )
      }
      const { options, cursor } = await search({ flowId, field: 'channel' })
      equal([options.length, cursor, options[0]], [100, '100', option(0)])
      await search({ flowId, field: 'channel', cursor: '100' })
      equal(minted, ['create', 'reconnect'])
    })
  })

  it('gives fetch and open back', async () => {
    fake.restore()
    const response = await fetch('/authflow-fake/connect/trpc/connections.list')
    equal(response.status, 404)
    await settled()
  })
})

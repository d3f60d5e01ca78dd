import { equal } from '../fixtures/equal.ts'
import { choice, cleanUp, fixture, kinds, markup, need, openForm, settled, until } from '../fixtures/page.ts'
import { configureAuthFlow } from '../flow/configure.ts'

const attributesIn = (scope: Element): string[] =>
  [scope, ...scope.querySelectorAll('*')].flatMap((element) =>
    [...element.attributes].map(({ name, value }) => `${name}=${value}`),
  )

describe('auth-flow', () => {
  before(() => configureAuthFlow({ endpoint: 'http://localhost:9' }))
  afterEach(cleanUp)

  it('writes no attribute and adds no element before something happened', async () => {
    const source = markup({ flow: 'status="active" identity="ada"' })
    const plain = document.createElement('div')
    plain.innerHTML = source
    const flow = await fixture(source)
    await settled()
    equal(flow.parentElement?.innerHTML, plain.innerHTML)
    equal(attributesIn(flow), attributesIn(need(plain, 'auth-flow')))
  })

  it('writes its state on itself and on every part', async () => {
    const flow = await fixture(markup())
    await openForm(flow, choice)
    for (const tag of ['auth-trigger', 'auth-panel', 'auth-form', 'auth-status']) {
      const part = need(flow, tag)
      equal(
        [
          part.dataset['state'],
          part.dataset['connection'],
          part.hasAttribute('data-open'),
          part.hasAttribute('data-busy'),
        ],
        ['choose', 'none', true, false],
      )
    }
  })

  it('tells every change of state', async () => {
    const flow = await fixture(markup())
    const seen: unknown[] = []
    flow.addEventListener('auth-state-change', (event) => seen.push(event.detail))
    await openForm(flow, choice)
    flow.flow.choose('apiKey')
    flow.flow.cancel()
    flow.flow.reset()
    equal(seen, [
      { from: 'idle', to: 'choose' },
      { from: 'choose', to: 'fields' },
      { from: 'fields', to: 'cancelled' },
      { from: 'cancelled', to: 'idle' },
    ])
  })

  it('is another flow, at the beginning, for another integration or account', async () => {
    const flow = await fixture(markup())
    await openForm(flow, choice)
    const before = flow.flow
    flow.accountId = '2'
    await settled()
    equal([flow.flow === before, flow.getAttribute('data-state')], [false, 'idle'])
    equal(need(flow, 'auth-form').dataset['state'], 'idle')
  })

  it('keeps its flow when it is moved or taken out and put back', async () => {
    const flow = await fixture(markup())
    const form = await openForm(flow, kinds)
    need<HTMLInputElement>(form, '[name=note]').value = 'mine'
    const place = need(document, 'main')
    const held = flow.flow
    flow.remove()
    await settled()
    place.prepend(flow)
    await settled()
    equal([flow.flow === held, flow.getAttribute('data-state'), flow.open], [true, 'fields', true])
    equal(
      [need<HTMLInputElement>(flow, '[name=note]').value, flow.querySelectorAll('form').length],
      ['mine', 1],
    )
  })

  it('renders again where a framework has taken its child away', async () => {
    const flow = await fixture(markup())
    await openForm(flow, kinds)
    need(flow, 'auth-form').replaceChildren()
    await until(() => flow.querySelector('auth-form form'), 'the form')
  })

  it('leaves what is prevented by the author’s own control alone', async () => {
    const flow = await fixture(
      markup().replace('</auth-flow>', '<button data-auth-action="start">Go</button></auth-flow>'),
    )
    flow.definition = choice
    await settled()
    const control = need(flow, '[data-auth-action]')
    const veto = (event: Event): void => event.preventDefault()
    control.addEventListener('click', veto)
    control.click()
    equal(flow.getAttribute('data-state'), 'idle')
    control.removeEventListener('click', veto)
    control.click()
    equal(flow.getAttribute('data-state'), 'choose')
  })

  describe('errors of the page', () => {
    const failsWith = async (
      attributes: string,
      act: (flow: HTMLElement) => void = () => {},
    ): Promise<string> => {
      const flow = await fixture(markup({ flow: attributes }))
      act(flow)
      let code = ''
      flow.addEventListener('auth-error', (event) => (code = event.detail.code))
      need(flow, 'auth-trigger button').click()
      await until(() => code, 'an error')
      equal(flow.getAttribute('data-state'), 'failed')
      return code
    }

    it('endpoint_not_allowed for an endpoint other than the configured one', async () => {
      equal(await failsWith('endpoint="https://evil.example"'), 'endpoint_not_allowed')
    })

    it('network_error where nothing listens; the panel stays, with the reason and a way to try again', async () => {
      equal(await failsWith(''), 'network_error')
      const status = await until(() => document.querySelector('auth-status [role=status]'), 'the status')
      equal(
        [status.textContent, need(document, 'auth-status button').textContent],
        ['The server cannot be reached.', 'Try again'],
      )
    })

    for (const [name, token] of Object.entries({ number: 7, 'secret key': `ctk_sk_${'a'.repeat(43)}` })) {
      it(`connect_token_invalid for a ${name} as connect token`, async () => {
        const code = await failsWith('', (flow) => {
          Object.assign(flow, {
            definition: { ...choice, methods: choice.methods.slice(0, 1) },
            connectToken: () => token,
          })
        })
        equal(code, 'connect_token_invalid')
      })
    }

    it('token_request_failed where the backend fails', async () => {
      const code = await failsWith('', (flow) => {
        const connectToken = () => Promise.reject(new Error('down'))
        Object.assign(flow, { definition: { ...choice, methods: choice.methods.slice(0, 1) }, connectToken })
      })
      equal(code, 'token_request_failed')
    })
  })

  it('a hundred rounds in and out of the document leave no part behind', async () => {
    const flow = await fixture(markup())
    const place = need(document, 'main')
    for (let round = 0; round < 100; round++) {
      flow.remove()
      place.append(flow)
    }
    equal(flow.parts.size, 4)
    need(flow, 'auth-trigger').remove()
    equal(flow.parts.size, 3)
  })
})

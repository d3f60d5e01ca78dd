import { sendKeys } from '@web/test-runner-commands'
import {
  choice,
  cleanUp,
  expectAccessible,
  fixture,
  kinds,
  markup,
  need,
  record,
  settled,
  simple,
  until,
} from '../fixtures/page.ts'
import { equal } from '../fixtures/equal.ts'
import { configureAuthFlow } from '../flow/configure.ts'

describe('auth-trigger', () => {
  before(() => configureAuthFlow({ endpoint: 'http://localhost:9' }))
  afterEach(cleanUp)

  it('is accessible with and without a button of the author’s', async () => {
    await expectAccessible(await fixture(markup()))
    await expectAccessible(
      await fixture(
        '<auth-flow integration="a" load="none"><auth-trigger>Connect</auth-trigger></auth-flow>',
      ),
    )
  })

  it('opens the panel, says so, and closes it again', async () => {
    const flow = await fixture(markup())
    flow.definition = kinds
    await settled()
    const button = need(flow, 'auth-trigger button')
    const panel = need(flow, 'auth-panel')
    panel.id = 'the-panel'
    button.click()
    equal(
      [panel.hidden, button.getAttribute('aria-expanded'), button.getAttribute('aria-controls')],
      [false, 'true', 'the-panel'],
    )
    button.click()
    equal([panel.hidden, button.getAttribute('aria-expanded')], [true, 'false'])
    button.click()
    equal([panel.hidden, flow.getAttribute('data-state')], [false, 'fields'])
  })

  it('without a button of the author’s is one itself, by mouse and keyboard', async () => {
    const flow = await fixture(markup().replace('<button type="button">Connect</button>', 'Connect'))
    flow.definition = kinds
    await settled()
    const trigger = need(flow, 'auth-trigger')
    equal([trigger.getAttribute('role'), trigger.tabIndex], ['button', 0])
    trigger.focus()
    await sendKeys({ press: 'Enter' })
    equal([flow.open, trigger.getAttribute('aria-expanded')], [true, 'true'])
    trigger.focus()
    await sendKeys({ press: 'Space' })
    equal(flow.open, false)
  })

  it('leaves being a button to one that comes late', async () => {
    const flow = await fixture(
      '<auth-flow integration="a" load="none"><auth-trigger></auth-trigger></auth-flow>',
    )
    const trigger = need(flow, 'auth-trigger')
    trigger.append(document.createElement('button'))
    await settled()
    equal([trigger.hasAttribute('role'), trigger.hasAttribute('tabindex')], [false, false])
  })

  it('starts nothing when auth-start or the click is prevented', async () => {
    const flow = await fixture(markup())
    flow.definition = choice
    await settled()
    const seen = record(flow, 'auth-start', 'auth-open')
    const veto = (event: Event): void => event.preventDefault()
    const button = need(flow, 'auth-trigger button')
    flow.addEventListener('auth-start', veto)
    button.click()
    flow.removeEventListener('auth-start', veto)
    button.addEventListener('click', veto)
    button.click()
    equal([flow.open, seen], [false, ['auth-start']])
  })

  it('neither submits a host’s form nor follows a link', async () => {
    const flow = await fixture(
      '<form><auth-flow integration="a" load="none"><auth-trigger><button>Go</button></auth-trigger></auth-flow></form>',
    )
    const form = need<HTMLFormElement>(document, 'form')
    const seen = record(form, 'submit')
    flow.definition = choice
    await settled()
    need(flow, 'auth-trigger button').click()
    need(flow, 'auth-trigger').innerHTML = '<a href="#elsewhere">Connect</a>'
    need(flow, 'auth-trigger a').click()
    equal([seen, location.hash], [[], ''])
  })

  it('opens the window in the click where one OAuth method needs no fields', async () => {
    const flow = await fixture(markup())
    flow.definition = simple
    await settled()
    const { open } = window
    const calls: unknown[][] = []
    // The browser's own answer when it blocks a window.
    window.open = (...words) => (calls.push(words), null)
    need(flow, 'auth-trigger button').click()
    window.open = open
    const [url, name, features] = calls[0] ?? []
    equal([calls.length, url, features], [1, '', 'popup,width=600,height=760'])
    equal(String(name).length > 20, true)
    equal([flow.getAttribute('data-state'), flow.hasAttribute('data-busy')], ['submitting', true])
    await until(() => flow.getAttribute('data-state') === 'failed', 'the failure')
  })

  it('works from outside its flow, and finds a flow that comes later', async () => {
    await fixture('<auth-trigger for="later"><button>Go</button></auth-trigger><auth-flow></auth-flow>')
    const late = document.createElement('auth-flow')
    late.id = 'later'
    late.integration = 'choice'
    late.load = 'none'
    late.definition = choice
    need(document, 'main').append(late)
    await settled()
    need(document, 'auth-trigger button').click()
    equal(
      [late.getAttribute('data-state'), need(document, 'auth-trigger').getAttribute('data-state')],
      ['choose', 'choose'],
    )
  })
})

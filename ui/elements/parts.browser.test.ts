// Everything that the elements make is a part: named by `data-part`, classed by an attribute of its element, in every
// state. What it looks like is the page's alone.

import type { FormField } from '../../shared/fields.ts'
import type { ConnectMethod, IntegrationView } from '../../shared/flow.ts'
import { fakeConnect, type FakeConnect, type FakeConnectOptions } from '../fake/fake-connect.ts'
import { equal } from '../fixtures/equal.ts'
import {
  choice,
  cleanUp,
  fixture,
  inState,
  kinds,
  markup,
  need,
  openForm,
  settled,
  simple,
  until,
} from '../fixtures/page.ts'
import type { FlowState } from '../flow/machine.ts'
import type { AuthFlowElement } from './auth-flow.ts'

/** What each element takes classes for, as its attributes `…-class` are in the manifest. */
async function classedParts(): Promise<ReadonlyMap<string, readonly string[]>> {
  interface Declaration {
    readonly tagName?: string
    readonly attributes?: readonly { readonly name: string }[]
  }
  const response = await fetch('/ui/types/custom-elements.json')
  const { modules }: { modules: { declarations: Declaration[] }[] } = await response.json()
  const names = (attributes: Declaration['attributes'] = []): string[] =>
    attributes.flatMap(({ name }) => /^(.+)-class$/.exec(name)?.[1] ?? [])
  return new Map(
    modules.flatMap(({ declarations }) =>
      declarations.map(({ tagName = '', attributes }) => [tagName, names(attributes)] as const),
    ),
  )
}

interface Shown extends Partial<Omit<FakeConnectOptions, 'integrations'>> {
  readonly state: FlowState
  /** What makes it another case of the state. */
  readonly where?: string
  readonly integration?: IntegrationView
  /** The description is read at the click. */
  readonly undescribed?: boolean
  /** Done before it, after the click. */
  first?(flow: AuthFlowElement): unknown
  /** Done once the state is there. */
  afterwards?(flow: AuthFlowElement, fake: FakeConnect): unknown
  /** Parts of <auth-form>, in the order of the alphabet. */
  readonly form: string
  /** Parts of <auth-status> beside its live region. */
  readonly status?: string
}

const method = (integration: IntegrationView): ConnectMethod => {
  const [first] = integration.methods
  if (!first) throw new Error('a description has a method')
  return first
}
const fields = method(kinds).fields.slice(0, 1)
const asksFirst: IntegrationView = { ...simple, methods: [{ ...method(simple), fields }] }
const onDevice: IntegrationView = { ...simple, methods: [{ ...method(simple), id: 'device' }] }
const changing: IntegrationView = { ...simple, configureLabel: 'Change channel' }
const channel: FormField = {
  name: 'channel',
  required: true,
  secret: false,
  normalise: [],
  schema: { type: 'string', maxLength: 255, title: 'Channel', description: 'Where to.', enum: ['C1', 'C2'] },
}
const send = (flow: AuthFlowElement): void => need(flow, 'auth-form [type=submit]').click()

/** Long enough for a state to stay that ends with an answer. */
const slow = 60_000
const unasked = 'form submit'
const consent = `${unasked} list scope scopes`
const field = 'description error field form input label prefix submit suffix'
const states: readonly Shown[] = [
  { state: 'loading', undescribed: true, delayMs: slow, form: '' },
  { state: 'choose', integration: choice, form: 'form legend method methods radio submit' },
  { state: 'fields', integration: kinds, form: `${field} help reveal` },
  {
    state: 'fields',
    where: 'with errors',
    integration: kinds,
    afterwards: async (flow) => {
      send(flow)
      await until(() => flow.querySelector('[data-part=error]')?.textContent, 'an error')
    },
    form: `${field} help reveal`,
  },
  { state: 'fields', where: 'before consent', integration: asksFirst, form: `${field} list scope scopes` },
  { state: 'submitting', delayMs: slow, form: unasked },
  { state: 'authorize', outcome: 'waits', form: unasked, status: 'cancel' },
  {
    state: 'authorize',
    where: 'with its window closed',
    outcome: 'waits',
    afterwards: async (flow, fake) => {
      fake.closeWindow()
      await until(() => flow.querySelector('[data-part=reopen]'), 'the loss of the window')
    },
    form: unasked,
    status: 'cancel reopen',
  },
  { state: 'blocked', outcome: 'blocked', form: consent, status: 'cancel form open' },
  { state: 'verify', outcome: 'verifies', form: unasked },
  {
    state: 'verify',
    where: 'with a code for a device',
    outcome: 'verifies',
    integration: onDevice,
    first: async (flow) => {
      await inState(flow, 'fields')
      send(flow)
    },
    afterwards: async (flow) => {
      await until(() => flow.querySelector('[data-part=device]'), 'the code')
    },
    form: consent,
    status: 'device',
  },
  { state: 'configure', configure: [channel], form: 'description error field form input label submit' },
  { state: 'done', form: consent },
  {
    state: 'done',
    where: 'with something to change',
    integration: changing,
    form: consent,
    status: 'configure',
  },
  { state: 'failed', outcome: 'fails', form: consent, status: 'retry' },
  { state: 'cancelled', outcome: 'denied', form: consent },
]

const partsIn = (scope: Element): HTMLElement[] => [...scope.querySelectorAll<HTMLElement>('[data-part]')]
const namesOf = (parts: readonly HTMLElement[]): string =>
  [...new Set(parts.map((part) => part.dataset['part']))].sort().join(' ')
const inOrder = (names: string): string => names.split(' ').sort().join(' ')

/** How the live region is hidden that pages without an <auth-status> have. */
const unseen = 'position: absolute; clip-path: inset(50%);'

/** Everything of which the page's look could come, but the page's own. */
const looks = () => ({
  sheets: document.styleSheets.length,
  adopted: document.adoptedStyleSheets.length,
  roots: [...document.querySelectorAll('*')].filter(({ shadowRoot }) => shadowRoot).length,
  /** A frame leaves the layout to what is around it; a live region of its own is not to be seen. */
  styled: [...document.querySelectorAll('main [style], body > [role=status]')]
    .filter((element) => !element.matches('[data-auth-root], [data-part-fields]'))
    .map((element) => element.getAttribute('style')),
  frames: [
    ...new Set(
      [...document.querySelectorAll('main [data-auth-root], [data-part-fields]')].map((element) =>
        element.getAttribute('style'),
      ),
    ),
  ],
})

describe('the parts of the elements', () => {
  const taken = new Set<string>()
  let classed: Awaited<ReturnType<typeof classedParts>>
  let fake: FakeConnect | undefined
  before(async () => {
    classed = await classedParts()
  })
  afterEach(() => {
    cleanUp()
    fake?.restore()
  })

  /** Gives the element a class for each of its parts: `its-label its-part`. */
  function dress(element: Element): void {
    for (const part of classed.get(element.localName) ?? [])
      element.setAttribute(`${part}-class`, `its-${part} its-part`)
  }

  /** Every part has the classes that its element was given for it, and everything that was made is a part. */
  function expectDressed(element: Element): void {
    for (const part of partsIn(element)) {
      const name = part.dataset['part'] ?? ''
      equal([name, [...part.classList]], [name, [`its-${name}`, 'its-part']])
      taken.add(`${element.localName} ${name}`)
    }
    equal(
      [...element.querySelectorAll('*')]
        .filter((one) => !one.matches('[data-part], [data-auth-root], [data-part-fields], option'))
        .map(({ outerHTML }) => outerHTML),
      [],
    )
  }

  for (const {
    state,
    where,
    integration = simple,
    undescribed,
    first,
    afterwards,
    form,
    status = '',
    ...options
  } of states) {
    it(`are named and classed in the state ${[state, where].filter(Boolean).join(', ')}`, async () => {
      const before = looks()
      fake = fakeConnect({ integrations: [integration], delayMs: 10, ...options })
      const flow = await fixture(markup())
      flow.integration = integration.id
      for (const part of flow.querySelectorAll('auth-form, auth-status')) dress(part)
      if (!undescribed) flow.definition = integration
      await settled()
      need(flow, 'auth-trigger button').click()
      await first?.(flow)
      await inState(flow, state)
      await afterwards?.(flow, fake)
      await settled()
      const [ourForm, ourStatus] = [need(flow, 'auth-form'), need(flow, 'auth-status')]
      equal(
        [namesOf(partsIn(ourForm)), namesOf(partsIn(ourStatus))],
        [inOrder(form), inOrder(`${status} status`.trim())],
      )
      for (const part of [ourForm, ourStatus]) expectDressed(part)
      for (const part of [flow, ...flow.querySelectorAll('auth-trigger, auth-panel, auth-form, auth-status')])
        equal([part.localName, part.getAttribute('data-state')], [part.localName, state])
      equal({ ...looks(), frames: [] }, { ...before, frames: [] })
      equal(looks().frames, ['display: contents;'])
    })
  }

  it('of a list are named and classed, whoever wrote them', async () => {
    fake = fakeConnect({ integrations: [simple, kinds], delayMs: 10 })
    const place = document.createElement('main')
    place.dataset['fixture'] = ''
    place.innerHTML = `<auth-connections integrations="simple kinds"><template><h2 data-part="name"></h2>
      <auth-flow></auth-flow></template></auth-connections>`
    const list = need(place, 'auth-connections')
    dress(list)
    document.body.append(place)
    await until(() => list.dataset['state'] === 'ready', 'the list')
    equal(
      partsIn(list).map((part) => [part.dataset['part'], part.className]),
      ['item', 'name', 'item', 'name'].map((name) => [name, `its-${name} its-part`]),
    )
    taken.add('auth-connections item').add('auth-connections name')
    // Without an <auth-status> the news go into a region that is not to be seen.
    equal(
      looks().styled.filter((style) => style !== unseen),
      [],
    )
  })

  it('take each class that an element has an attribute for', () => {
    equal(
      [...classed]
        .flatMap(([tag, parts]) => parts.map((part) => `${tag} ${part}`))
        .filter((one) => !taken.has(one)),
      [],
    )
  })

  it('of a template keep the classes that they have, and take those that they lack', async () => {
    const flow = await fixture(
      markup({
        form: `<template data-field="*"><label data-part="label" class="mine"></label><input data-part="input">
          <p data-part="error"></p></template>`,
      }),
    )
    dress(need(flow, 'auth-form'))
    const [first] = (await openForm(flow, kinds)).querySelectorAll('[data-field]')
    equal(first && partsIn(first).map(({ className }) => className), [
      'mine',
      'its-input its-part',
      'its-error its-part',
    ])
  })

  it('of a form of the author’s are left as they are', async () => {
    const flow = await fixture(
      markup({
        form: '<form method="dialog"><label data-part="label">Key</label><input name="apiKey"></form>',
      }),
    )
    dress(need(flow, 'auth-form'))
    equal(need(await openForm(flow, kinds), 'label').className, '')
  })

  it('need no style where the page has no <auth-status>, but to hide the live region', async () => {
    fake = fakeConnect({ integrations: [simple], delayMs: 10 })
    const flow = await fixture(markup({ status: false }))
    Object.assign(flow, { integration: simple.id, definition: simple })
    await settled()
    need(flow, 'auth-trigger button').click()
    await inState(flow, 'done')
    await until(() => document.querySelector('body > [role=status]'), 'the region')
    equal(looks().styled, [unseen])
  })
})

// Every state as axe sees it, in both directions of writing.

import type { Connection } from '../../shared/auth.ts'
import type { FormField } from '../../shared/fields.ts'
import { fakeConnect, type FakeConnect, type FakeOutcome } from '../fake/fake-connect.ts'
import { equal } from '../fixtures/equal.ts'
import {
  choice,
  cleanUp,
  expectAccessible,
  fixture,
  inState,
  kinds,
  markup,
  need,
  settled,
  simple,
  until,
} from '../fixtures/page.ts'
import type { FlowState } from '../flow/machine.ts'
import '../locales/ar.ts'

interface Shown {
  readonly state: FlowState
  readonly integration?: typeof simple
  readonly outcome?: FakeOutcome
  /** Long enough for a state to stay that ends with an answer. */
  readonly delayMs?: number
  readonly configure?: readonly FormField[]
  /** The description is read at the click. */
  readonly undescribed?: boolean
}

const channel: FormField = {
  name: 'channel',
  required: true,
  secret: false,
  normalise: [],
  schema: {
    type: 'string',
    maxLength: 255,
    title: 'Channel',
    description: 'Where messages go.',
    enum: ['C1', 'C2'],
  },
  optionLabels: ['#general', '#random'],
}

const slow = 60_000
const states: readonly Shown[] = [
  { state: 'loading', undescribed: true, delayMs: slow },
  { state: 'choose', integration: choice },
  { state: 'fields', integration: kinds },
  { state: 'submitting', delayMs: slow },
  { state: 'authorize', outcome: 'waits' },
  { state: 'blocked', outcome: 'blocked' },
  { state: 'verify', outcome: 'verifies' },
  { state: 'configure', configure: [channel] },
  { state: 'done' },
  { state: 'failed', outcome: 'fails' },
  { state: 'cancelled', outcome: 'denied' },
]

const now = new Date(0).toISOString()
const connected: Connection = {
  id: '1',
  integration: 'simple',
  accountId: '1',
  state: 'active',
  method: 'oauth2',
  identity: { id: 'ada', label: 'ada@example.com', place: 'Acme' },
  scopes: [],
  fields: {},
  createdAt: now,
  updatedAt: now,
}

for (const [direction, lang] of Object.entries({ ltr: 'en', rtl: 'ar' })) {
  describe(`every state, ${direction}`, () => {
    let fake: FakeConnect
    afterEach(() => {
      cleanUp()
      fake.restore()
    })
    const inLanguage = (content: string): string => `<div lang="${lang}" dir="${direction}">${content}</div>`
    const script = lang === 'ar' ? /\p{Script=Arabic}/u : /^\P{Script=Arabic}*$/u

    for (const { state, integration = simple, outcome, delayMs = 10, configure, undescribed } of states) {
      it(`${state} is accessible`, async () => {
        fake = fakeConnect({
          integrations: [integration],
          delayMs,
          ...(outcome && { outcome }),
          ...(configure && { configure }),
        })
        const flow = await fixture(inLanguage(markup()))
        flow.integration = integration.id
        if (!undescribed) flow.definition = integration
        await settled()
        need(flow, 'auth-trigger button').click()
        await inState(flow, state)
        await settled()
        const told = need(flow, 'auth-status').textContent
        equal(script.test(told) || told === '', true)
        equal(['choose', 'fields', 'configure'].includes(state) || told !== '', true)
        await expectAccessible(flow)
      })
    }

    it('errors at fields are accessible', async () => {
      fake = fakeConnect({ integrations: [kinds], delayMs: 10 })
      const flow = await fixture(inLanguage(markup()))
      flow.definition = kinds
      await settled()
      need(flow, 'auth-trigger button').click()
      need(await until(() => flow.querySelector('auth-form form'), 'the form'), '[type=submit]').click()
      await until(() => flow.querySelector('[data-part=error]')?.textContent, 'an error')
      await expectAccessible(flow)
    })

    it('a list of connections is accessible', async () => {
      fake = fakeConnect({ integrations: [simple, kinds], connections: [connected], delayMs: 10 })
      const item = `<template><h2 data-part="name"></h2>${markup({ flow: 'data-item' })}</template>`
      const main = document.createElement('main')
      main.dataset['fixture'] = ''
      main.innerHTML = inLanguage(
        `<auth-connections integrations="simple kinds">${item.replaceAll(/<auth-flow [^>]*>/g, '<auth-flow>')}</auth-connections>`,
      )
      document.body.append(main)
      const list = need(main, 'auth-connections')
      await until(() => list.dataset['state'] === 'ready', 'the list')
      await until(() => list.querySelector('[data-connection=active]'), 'the connection')
      await until(() => list.querySelectorAll('h2:empty').length === 0, 'the names')
      equal(script.test(need(list, 'auth-status').textContent), true)
      await expectAccessible(list)
    })
  })
}

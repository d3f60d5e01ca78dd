import { equal } from '../fixtures/equal.ts'
import {
  choice,
  cleanUp,
  connectServer,
  expectAccessible,
  fixture,
  inState,
  kinds,
  markup,
  need,
  openForm,
  settled,
} from '../fixtures/page.ts'
import '../locales/ar.ts'
import '../locales/de.ts'
import { registerMessages } from './auth-element.ts'

describe('the language of the elements', () => {
  before(connectServer)
  afterEach(() => {
    cleanUp()
    document.documentElement.lang = 'en'
  })
  const within = (lang: string, inner = markup()): string => `<div lang="${lang}">${inner}</div>`

  it('is that of the nearest lang attribute, also for a region of it', async () => {
    for (const lang of ['de', 'de-AT', 'DE']) {
      const flow = await fixture(within(lang))
      const form = await openForm(flow, choice)
      equal(need(form, 'legend').textContent, 'Art der Verbindung')
      cleanUp()
    }
    document.documentElement.lang = 'de'
    const form = await openForm(await fixture(markup()), choice)
    equal(need(form, 'legend').textContent, 'Art der Verbindung')
    cleanUp()
    const inner = await openForm(await fixture(within('en')), choice)
    equal(need(inner, 'legend').textContent, 'How to connect')
  })

  it('is that of the server’s texts, too, whatever the browser’s', async () => {
    const { endpoint } = await connectServer()
    const sent: (string | null)[] = []
    const { fetch: own } = globalThis
    globalThis.fetch = (input, init) => {
      sent.push(new Headers(init?.headers).get('accept-language'))
      return own(input, init)
    }
    const labelIn = async (lang: string, flow = ''): Promise<string | undefined> => {
      const page = `<auth-flow integration="slack" endpoint="${endpoint}" ${flow}></auth-flow>`
      const element = await fixture(within(lang, page))
      await element.flow.load()
      cleanUp()
      return element.flow.getSnapshot().methods[0]?.label
    }
    try {
      for (const [lang, label] of [
        ['de-AT', 'Mit Slack anmelden'],
        // Not a language tag, but often seen.
        ['fr_CA', 'Se connecter avec Slack'],
        ['nl', 'Sign in with Slack'],
        // No header takes this as it is.
        ['日本', 'Sign in with Slack'],
      ] as const)
        equal([lang, await labelIn(lang)], [lang, label])
      equal(await labelIn('de', 'locale="ja"'), 'Slack でログイン')
      document.documentElement.lang = ''
      await labelIn('')
      equal(sent, ['de-AT', 'fr-CA', 'nl', '--', 'ja', null])
    } finally {
      globalThis.fetch = own
    }
  })

  it('is English where there are no texts', async () => {
    const form = await openForm(await fixture(within('nl')), choice)
    equal(need(form, 'legend').textContent, 'How to connect')
  })

  it('gives way to the author’s texts, key by key', async () => {
    const flow = await fixture(within('de'))
    flow.messages = { methods: 'Wie?' }
    const form = await openForm(flow, choice)
    equal([need(form, 'legend').textContent, flow.texts.cancelled], ['Wie?', 'Abgebrochen.'])
  })

  it('may come later than the element', async () => {
    const flow = await fixture(within('eo'))
    flow.definition = kinds
    await settled()
    flow.flow.start()
    flow.flow.cancel()
    await inState(flow, 'cancelled')
    equal(need(flow, '[data-part=status]').textContent, 'Cancelled.')
    registerMessages('eo', { cancelled: 'Nuligita.' })
    equal(need(flow, '[data-part=status]').textContent, 'Nuligita.')
  })

  it('words errors at fields, and is accessible from right to left', async () => {
    const flow = await fixture(`<div dir="rtl" lang="ar">${markup()}</div>`)
    const form = await openForm(flow, kinds)
    form.requestSubmit()
    equal(need(form, '[data-field=workspace] [data-part=error]').textContent, 'هذا الحقل مطلوب.')
    equal(getComputedStyle(need(form, '[name=apiKey]')).direction, 'ltr')
    await expectAccessible(flow)
  })
})

describe('a code for a device', () => {
  afterEach(cleanUp)

  it('is shown as a link to where it is typed', async () => {
    const flow = await fixture(markup())
    flow.definition = kinds
    await settled()
    const seen = flow.flow.getSnapshot()
    Object.assign(flow.flow, {
      getSnapshot: () => ({
        ...seen,
        state: 'verify',
        device: { userCode: 'WDJB-MJHT', verificationUrl: 'https://example.com/device', expiresAt: '' },
      }),
    })
    flow.repaint()
    const link = need<HTMLAnchorElement>(flow, '[data-part=device]')
    equal([link.textContent, link.href], ['Continue to Kinds: WDJB-MJHT', 'https://example.com/device'])
    await expectAccessible(flow)
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import Koa from 'koa'
import type { CallbackOutcome } from '../connect/connect.ts'
import { createPages } from './pages.ts'

const pages = createPages({ 'pt-BR': { closeHint: 'Pode fechar esta aba.' } })

const outcome: CallbackOutcome = {
  flowId: 'A'.repeat(22),
  integration: 'slack-customers',
  integrationName: 'Slack',
  mode: 'popup',
  result: 'done',
}

const hostile = `</script><img src=x onerror=alert(1)>"'&`

describe('pages', () => {
  let respond: (ctx: Koa.Context) => Promise<void> = async () => undefined
  const server = createServer(new Koa().use((ctx) => respond(ctx)).callback())
  let url = ''

  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    assert(typeof address === 'object' && address)
    url = `http://127.0.0.1:${address.port}/`
  })
  after(() => server.close())

  const show = async (page: (ctx: Koa.Context) => Promise<void>, language = 'en') => {
    respond = page
    const response = await fetch(url, { headers: { 'accept-language': language } })
    return {
      response,
      html: await response.text(),
      csp: response.headers.get('content-security-policy') ?? '',
    }
  }

  it('let only their own script and style run, with a nonce never used twice', async () => {
    const first = await show((ctx) => pages.outcome(ctx, outcome))
    const second = await show((ctx) => pages.outcome(ctx, outcome))
    const [, nonce = ''] = /script-src 'nonce-([\w-]{22})'/.exec(first.csp) ?? []
    assert.equal(
      first.csp,
      `default-src 'none';script-src 'nonce-${nonce}';style-src 'nonce-${nonce}';base-uri 'none';form-action 'none';frame-ancestors 'none'`,
    )
    assert.match(first.html, new RegExp(`<script nonce="${nonce}">`))
    assert.match(first.html, new RegExp(`<style nonce="${nonce}">`))
    assert.doesNotMatch(second.csp, new RegExp(nonce))
    assert.equal(first.response.headers.get('content-type'), 'text/html; charset=utf-8')
  })

  it('name their language and what happened, also without script', async () => {
    const { html } = await show((ctx) => pages.outcome(ctx, outcome))
    assert.match(html, /<html lang="en" dir="ltr">/)
    assert.match(html, /<title>Connected to Slack<\/title>/)
    assert.match(html, /<h1>Connected to Slack<\/h1>\n<p role="status">You can close this window.<\/p>/)
  })

  it('load nothing from anywhere', async () => {
    for (const page of [
      (ctx: Koa.Context) => pages.outcome(ctx, outcome),
      (ctx: Koa.Context) => pages.error(ctx, 'state_invalid'),
    ]) {
      const { html } = await show(page)
      assert.doesNotMatch(html, /\ssrc=|@import|url\(|<link/)
    }
  })

  it('say in a popup that it should poll, clean the address, and close', async () => {
    const { html } = await show((ctx) => pages.outcome(ctx, outcome))
    const [, script = ''] = /<script[^>]*>(.*)<\/script>/.exec(html) ?? []
    assert.equal(
      script,
      `try{new BroadcastChannel("authflow").postMessage('poll now')}catch{}history.replaceState(null,'',location.pathname);window.close()`,
    )
  })

  it('go back to the return URL in redirect mode, by script and by a link', async () => {
    const returnUrl = 'https://app.example.com/settings?tab=a&authflow_flow=x'
    const { html } = await show((ctx) => pages.outcome(ctx, { ...outcome, mode: 'redirect', returnUrl }))
    assert.match(html, /location\.replace\("https:\/\/app\.example\.com\/settings\?tab=a&authflow_flow=x"\)/)
    assert.match(html, /<a href="https:\/\/app\.example\.com\/settings\?tab=a&amp;authflow_flow=x"/)
    assert.doesNotMatch(html, /window\.close/)
  })

  it('tell a denied consent from a failure, with the code', async () => {
    const denied = await show((ctx) =>
      pages.outcome(ctx, { ...outcome, result: 'cancelled', errorCode: 'access_denied' }),
    )
    assert.match(denied.html, /<h1>Slack was not connected<\/h1>\n<p role="status">Access was not granted/)
    assert.match(denied.html, /<code>access_denied<\/code>/)
    const failed = await show((ctx) =>
      pages.outcome(ctx, { ...outcome, result: 'failed', errorCode: 'token_exchange_failed' }),
    )
    assert.match(failed.html, /<h1>Slack could not be connected<\/h1>/)
  })

  it('let no value end the markup or the script', async () => {
    const hostilePages = [
      (ctx: Koa.Context) => pages.start(ctx, `https://provider.example/?state=${hostile}`, hostile),
      (ctx: Koa.Context) =>
        pages.outcome(ctx, {
          ...outcome,
          mode: 'redirect',
          result: 'failed',
          integrationName: hostile,
          returnUrl: `https://app.example.com/?${hostile}`,
          errorCode: hostile,
        }),
    ]
    for (const page of hostilePages) {
      const { html } = await show(page)
      assert.equal(html.match(/<script/g)?.length, 1)
      assert.equal(html.match(/<\/script>/g)?.length, 1)
      assert.doesNotMatch(html, /<img/)
    }
  })

  it('speak the language of the flow, else the browser’s, else English', async () => {
    const said = async (locale: string | undefined, header: string) => {
      const page = await show(
        (ctx) => pages.outcome(ctx, { ...outcome, ...(locale === undefined ? {} : { locale }) }),
        header,
      )
      assert.match(page.response.headers.get('vary') ?? '', /Accept-Language/i)
      const [, language, direction] = /<html lang="([^"]*)" dir="([^"]*)">/.exec(page.html) ?? []
      return [language, direction, /<h1>([^<]*)</.exec(page.html)?.[1]]
    }
    assert.deepEqual(await said('de-AT', 'fr'), ['de', 'ltr', 'Mit Slack verbunden'])
    assert.deepEqual(await said('ar', ''), ['ar', 'rtl', 'تم الاتصال بـ Slack'])
    assert.deepEqual(await said('tlh', 'xx;q=0.9, ja;q=0.8, en;q=0.7'), ['ja', 'ltr', 'Slack に接続しました'])
    assert.deepEqual(await said(undefined, 'es-MX,es;q=0.9'), ['es', 'ltr', 'Conectado a Slack'])
    assert.deepEqual(await said(undefined, '*;q=0.1, "><script>'), ['en', 'ltr', 'Connected to Slack'])
    assert.deepEqual(await said('../../etc', '__proto__'), ['en', 'ltr', 'Connected to Slack'])
  })

  it('say what the host wants said, the rest in the nearest language', async () => {
    const { html } = await show((ctx) => pages.outcome(ctx, { ...outcome, locale: 'pt-BR' }))
    assert.match(html, /<html lang="pt-br" dir="ltr">/)
    assert.match(html, /<h1>Ligado a Slack<\/h1>\n<p role="status">Pode fechar esta aba.<\/p>/)
  })
})

// Where a flow may send the browser back to (requirement C7): the exact URLs that the token was minted for.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import { printFigure } from '../../scripts/figure.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import {
  integrationOf,
  mint,
  openWorkbench,
  pageOrigin,
  returnUrl,
  start,
  toAuthorize,
} from './fixtures/workbench.ts'

const integration = 'crm'
const bench = await openWorkbench(
  [integrationOf(integration, [oauthMethod('https://provider.example')])],
  new URL('https://connect.example.com/'),
)
const { connect } = bench
after(() => bench.close())

const allowed = new URL(returnUrl)
const evil = 'evil.example'

/** Ways in which open redirects are written: other hosts, other schemes, other spellings of the host that is allowed. */
const hosts = [
  evil,
  `${allowed.host}.${evil}`,
  `${evil}/${allowed.host}`,
  `${allowed.host}@${evil}`,
  `${evil}#@${allowed.host}`,
  `${evil}?${allowed.host}`,
  `${evil}\\@${allowed.host}`,
  `${allowed.host}:443@${evil}`,
  `${allowed.host}%2e${evil}`,
  `${allowed.host}%00.${evil}`,
  `${allowed.host}%09.${evil}`,
  `${evil}%2f%2f${allowed.host}`,
  `${evil}%5c${allowed.host}`,
  `xn--vil-bma.example`,
  '2130706433',
  '[::1]',
]
const prefixes = [
  '//',
  '///',
  '////',
  '\\\\',
  '/\\',
  '\\/',
  'https:',
  'https:/',
  'https:///',
  'https:\\\\',
  ' https://',
  'https://\t',
  'http://',
]
const schemes = [
  'javascript:',
  'JaVaScRiPt:',
  'java\nscript:',
  ' javascript:',
  'data:text/html,',
  'vbscript:',
  'blob:https://',
  'file:///',
  'ftp://',
  'about:blank#',
  'view-source:https://',
  'intent://',
]
const near = [
  returnUrl.slice(0, -1),
  `${returnUrl}2`,
  `${returnUrl}&next=//${evil}`,
  `${returnUrl}#`,
  `${returnUrl}#x`,
  `${returnUrl}/`,
  `${returnUrl} `,
  ` ${returnUrl}`,
  `${returnUrl}\n`,
  `${returnUrl}\0`,
  returnUrl.toUpperCase(),
  returnUrl.replace('https', 'http'),
  returnUrl.replace('https', 'HTTPS'),
  returnUrl.replace('app.', 'app%2e'),
  returnUrl.replace('.com', '.com.'),
  returnUrl.replace('.com', '.com:443'),
  returnUrl.replace('/settings', '//settings'),
  returnUrl.replace('/settings', '/./settings'),
  returnUrl.replace('/settings', '/x/../settings'),
  returnUrl.replace('/settings', '/%73ettings'),
  returnUrl.replace('?', '%3f'),
  returnUrl.replace('https://', 'https://user@'),
  allowed.pathname,
  allowed.origin,
  encodeURIComponent(returnUrl),
  encodeURIComponent(encodeURIComponent(returnUrl)),
  'null',
  'undefined',
  '__proto__',
]
const payloads = [
  ...new Set([
    ...prefixes.flatMap((prefix) => hosts.map((host) => prefix + host)),
    ...schemes.map((scheme) => `${scheme}${evil}`),
    ...schemes.map((scheme) => `${scheme}${returnUrl}`),
    ...near,
  ]),
]

describe('the return URL (C7)', () => {
  it('is one of the token’s own, letter by letter', async () => {
    const caller = await mint(connect, { integrations: [integration] })
    const flow = await toAuthorize(connect, caller, integration)
    const form = { token: caller.token, flow: flow.id, mode: 'redirect' as const }
    const refused: string[] = []
    for (const return_url of payloads) {
      await assert.rejects(
        connect.start({ ...form, return_url }, pageOrigin, []),
        { code: 'return_url_not_allowed', status: 403 },
        return_url,
      )
      refused.push(return_url)
    }
    assert.ok(refused.length >= 200)
    await connect.start({ ...form, return_url: returnUrl }, pageOrigin, [])
    printFigure({
      requirement: 'C7',
      name: 'open-redirect payloads refused',
      value: `${refused.length} of ${payloads.length}`,
    })
  })

  it('is no other text, whatever it is', async () => {
    const caller = await mint(connect, { integrations: [integration] })
    const flow = await toAuthorize(connect, caller, integration)
    const form = { mode: 'redirect' as const }
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.webUrl({ withFragments: true, withQueryParameters: true })),
        async (text) => {
          if (text === returnUrl) return
          await assert.rejects(start(connect, caller, flow.id, { ...form, return_url: text }), {
            code: 'return_url_not_allowed',
          })
        },
      ),
      { numRuns: casesOf(200) },
    )
  })

  it('is not taken along by a popup, and can’t be minted as something else than a page', async () => {
    const caller = await mint(connect, { integrations: [integration] })
    const flow = await toAuthorize(connect, caller, integration)
    await start(connect, caller, flow.id, { mode: 'popup', return_url: `https://${evil}/` })
    const minted = payloads.filter((url) => !/^https:/i.test(url))
    assert.ok(minted.length > 100)
    for (const url of minted) {
      const request = { integrations: [integration], returnUrls: [url] }
      const usable = URL.canParse(url) && new URL(url).protocol === 'https:'
      if (!usable) await assert.rejects(mint(connect, request), { code: 'invalid_input' }, url)
    }
  })
})

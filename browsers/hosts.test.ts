// Hosts as they really answer: a policy that names our origin and no more, helmet's defaults, no referrer; and what a page
// says when its own policy stands in the way. On every engine.

import assert from 'node:assert/strict'
import helmet from 'helmet'
import { after, before, it } from 'node:test'
import { printFigure } from '../scripts/figure.ts'
import type { Engine } from './engines/engine.ts'
import { onEveryEngine } from './engines/start.ts'
import type { Before } from './network.ts'
import { tell } from './story.ts'
import { inState, startWorld, trigger, type World } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.close())

/** A policy without `unsafe-inline`, whose `connect-src` and `form-action` name the connect server and nothing else. */
const strictest = (connect: string, changes: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'none'",
    'connect-src': connect,
    'form-action': connect,
    'base-uri': "'none'",
    'frame-ancestors': "'none'",
    'require-trusted-types-for': "'script'",
    ...changes,
  })
    .map((directive) => directive.join(' '))
    .join('; ')

const withPolicy =
  (policy: () => string): Before =>
  (_req, res) =>
    void res.setHeader('content-security-policy', policy())

const connect = (): string => world.origin('connect')

const connecting: Readonly<Record<string, Before>> = {
  'nothing but the connect server in its policy': withPolicy(() => strictest(connect())),
  'nothing but the connect server in its policy, and no referrer': (_req, res) => {
    res.setHeader('content-security-policy', strictest(connect()))
    res.setHeader('referrer-policy', 'no-referrer')
    res.setHeader('cross-origin-opener-policy', 'same-origin')
  },
  'helmet’s defaults and the connect server in two directives': (req, res) => {
    const ours = ["'self'", connect()]
    helmet({ contentSecurityPolicy: { directives: { 'connect-src': ours, 'form-action': ours } } })(
      req,
      res,
      () => undefined,
    )
    assert.equal(res.getHeader('cross-origin-opener-policy'), 'same-origin')
    assert.equal(res.getHeader('referrer-policy'), 'no-referrer')
  },
  'a permissions policy and embedder policy that allow nothing': (_req, res) => {
    res.setHeader('cross-origin-embedder-policy', 'require-corp')
    res.setHeader('cross-origin-resource-policy', 'same-origin')
    res.setHeader(
      'permissions-policy',
      'publickey-credentials-get=(), identity-credentials-get=(), fullscreen=()',
    )
  },
}

const blocked: Readonly<Record<string, Before>> = {
  'connect-src does not name the server': withPolicy(() => strictest(connect(), { 'connect-src': "'self'" })),
  'form-action does not name the server': withPolicy(() => strictest(connect(), { 'form-action': "'self'" })),
}

onEveryEngine((name, start) => {
  let engine: Engine
  let connected = 0
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.close()
    const value = `${connected} of ${Object.keys(connecting).length}`
    printFigure({ requirement: 'U2', name: `${name} ${engine?.version}, host policies that connect`, value })
  })

  for (const [policy, headers] of Object.entries(connecting)) {
    for (const mode of ['popup', 'redirect']) {
      it(`a host connects by ${mode} with ${policy}`, () =>
        tell(world, engine, async ({ open, leave, profile }) => {
          world.product.headers = headers
          const page = await open(`token=inside&mode=${mode}`)
          // What the page's policy refuses is told by the browser, and so is the icon that it asks for by itself.
          await page.evaluate(() =>
            document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
              if (!blockedURI.endsWith('/favicon.ico'))
                document.body.setAttribute('data-refused', violatedDirective)
            }),
          )
          await (await leave(page)).click('#allow')
          const done = await profile.find('auth-flow[data-state=done]')
          assert.equal(await done.evaluate(() => document.body.getAttribute('data-refused')), null)
          assert.equal(await done.evaluate(() => document.querySelectorAll('style').length), 0)
          if (mode === 'popup') connected += 1
        }))
    }
  }

  for (const [policy, headers] of Object.entries(blocked)) {
    it(`a page says csp_blocked where its ${policy}`, () =>
      tell(world, engine, async ({ open }) => {
        world.product.headers = headers
        const page = await open('token=inside')
        await page.click(trigger())
        await inState(page, 'failed')
        await page.waitFor('auth-flow[data-auth-error=csp_blocked]')
        assert.match(await page.text('auth-status [role=status]'), /\w/)
      }))
  }
})

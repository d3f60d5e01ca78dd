// A server on a public https address: stricter than one on loopback.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { integrationOf, mint, openWorkbench, pageOrigin, toAuthorize } from './fixtures/workbench.ts'

const bench = await openWorkbench(
  [
    integrationOf('public', [oauthMethod('https://provider.example')]),
    integrationOf('plain', [oauthMethod('http://provider.example')]),
    integrationOf('loopback', [oauthMethod('http://127.0.0.1:4000')]),
    integrationOf('private', [oauthMethod('https://10.0.0.1')]),
    integrationOf('local', [oauthMethod('https://localhost:4000')]),
  ],
  new URL('https://connect.example.com/'),
)
const { connect } = bench
after(() => bench.close())

async function startAt(integration: string, cookieNames: readonly string[] = []) {
  const caller = await mint(connect, { integrations: [integration] })
  const flow = await toAuthorize(connect, caller, integration)
  const form = { token: caller.token, flow: flow.id, mode: 'popup' as const }
  return { flow, ...(await connect.start(form, pageOrigin, cookieNames)) }
}

describe('a server on a public address', () => {
  it('takes no loopback or plain http page', async () => {
    for (const origin of ['http://localhost:5173', 'http://app.example.com', 'http://127.0.0.1']) {
      await assert.rejects(mint(connect, { integrations: ['public'], origins: [origin] }), {
        code: 'invalid_input',
      })
      const returnUrls = [`${origin}/back`]
      await assert.rejects(mint(connect, { integrations: ['public'], returnUrls }), { code: 'invalid_input' })
    }
  })

  it('sends nobody to loopback, private or plain http providers', async () => {
    for (const integration of ['plain', 'loopback', 'private', 'local']) {
      await assert.rejects(startAt(integration), { code: 'insecure_endpoint' })
    }
  })

  it('binds the browser by a __Host- cookie and counts only its own', async () => {
    const others = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => `__Host-authflow-${letter.repeat(22)}`)
    const strangers = ['authflow-' + 'a'.repeat(22), '__Host-authflow-short', 'session']
    const { flow, cookie, location } = await startAt('public', [...strangers, ...others])
    assert.equal(cookie.name, `__Host-authflow-${flow.id}`)
    assert.deepEqual(cookie.clear, others.slice(0, 2))
    const redirect = new URL(location).searchParams.get('redirect_uri')
    assert.equal(redirect, 'https://connect.example.com/callback/public')
  })
})

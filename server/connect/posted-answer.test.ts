// Answers that the provider posts (form_post).

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { oidcMethod, startOidc } from '../oauth/fixtures/oidc.ts'
import { visit } from '../oauth/fixtures/visitor.ts'
import {
  comeBack,
  integrationOf,
  mint,
  openWorkbench,
  redirectUri,
  start,
  toAuthorize,
} from './fixtures/workbench.ts'

const provider = await startOidc([redirectUri('posting'), redirectUri('asking')])
const bench = await openWorkbench([
  integrationOf('posting', [oidcMethod(provider.origin, { responseMode: 'form_post' })]),
  integrationOf('asking', [oidcMethod(provider.origin)]),
])
const { connect } = bench
after(async () => {
  await bench.close()
  await provider.close()
})

let accounts = 0
beforeEach(() => {
  accounts += 1
  provider.tokenRequests.authorization_code = 0
})

/** A browser that is about to bring the answer. The certified server writes the form; here it is asked for a query. */
async function returning(integration: string) {
  const caller = await mint(connect, { integrations: [integration], accountId: `acct-${accounts}` })
  const flow = await toAuthorize(connect, caller, integration)
  const browser = await start(connect, caller, flow.id)
  const location = new URL(browser.location)
  const mode = location.searchParams.get('response_mode')
  location.searchParams.delete('response_mode')
  const { searchParams: params } = await visit(location.href, redirectUri(integration))
  return { browser, params, mode, flow, caller }
}

const get = (url: string): { integration: string; params: URLSearchParams } => {
  const { pathname, searchParams } = new URL(url)
  return { integration: pathname.split('/').at(-1) ?? '', params: searchParams }
}

describe('Connect.keepPosted', () => {
  it('keeps the answer sealed until the browser comes with its cookie', async () => {
    const integration = 'posting'
    const { browser, params, mode } = await returning(integration)
    assert.equal(mode, 'form_post')
    const url = await connect.keepPosted({ integration, params })
    const code = params.get('code') ?? 'no code'
    const state = params.get('state') ?? 'no state'
    assert.equal(url.startsWith(`${redirectUri(integration)}?authflow_answer=`), true)
    assert.equal(url.includes(code) || url.includes(state), false)
    assert.equal((await bench.rawBytes()).includes(code), false)
    await assert.rejects(comeBack(connect, { cookies: new Map() }, get(url)), { code: 'browser_mismatch' })
    assert.equal(provider.tokenRequests.authorization_code, 0)
    assert.equal((await comeBack(connect, browser, get(url))).result, 'done')
    assert.equal((await comeBack(connect, browser, get(url))).result, 'done', 'a reload shows the outcome')
    assert.equal(provider.tokenRequests.authorization_code, 1)
  })

  it('takes a reload of the POST, before and after the answer was used', async () => {
    const integration = 'posting'
    const { browser, params } = await returning(integration)
    const first = await connect.keepPosted({ integration, params })
    const second = await connect.keepPosted({ integration, params })
    await assert.rejects(comeBack(connect, browser, get(first)), { code: 'state_invalid' })
    assert.equal((await comeBack(connect, browser, get(second))).result, 'done')
    const third = await connect.keepPosted({ integration, params })
    assert.equal((await comeBack(connect, browser, get(third))).result, 'done')
    assert.equal(provider.tokenRequests.authorization_code, 1)
  })

  it('takes no made-up state, no made-up handle, and none of a flow that is another’s', async () => {
    const integration = 'posting'
    const { params } = await returning(integration)
    for (const state of ['', 'x', 'A'.repeat(43)]) {
      const changed = new URLSearchParams(params)
      changed.set('state', state)
      await assert.rejects(connect.keepPosted({ integration, params: changed }), { code: 'state_invalid' })
    }
    const url = new URL(await connect.keepPosted({ integration, params }))
    const handle = url.searchParams.get('authflow_answer') ?? ''
    const stranger = await returning(integration)
    await assert.rejects(comeBack(connect, stranger.browser, get(url.href)), { code: 'browser_mismatch' })
    const [trip = ''] = handle.split('.')
    for (const other of [
      '',
      '.',
      trip,
      `${trip}.`,
      `${trip}.${'A'.repeat(43)}`,
      `${'A'.repeat(43)}.${'A'.repeat(43)}`,
    ]) {
      url.searchParams.set('authflow_answer', other)
      await assert.rejects(
        comeBack(connect, stranger.browser, get(url.href)),
        { code: 'state_invalid' },
        other,
      )
    }
    assert.equal(provider.tokenRequests.authorization_code, 0)
  })

  it('ends the flow when it was posted to another integration', async () => {
    const { browser, params } = await returning('posting')
    const url = await connect.keepPosted({ integration: 'asking', params })
    const outcome = await comeBack(connect, browser, get(url))
    assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'callback_mismatch'])
    assert.equal(provider.tokenRequests.authorization_code, 0)
  })

  it('is for providers that were asked to post, and no others', async () => {
    const { params, mode } = await returning('asking')
    assert.equal(mode, null)
    await assert.rejects(connect.keepPosted({ integration: 'asking', params }), { code: 'state_invalid' })
  })
})

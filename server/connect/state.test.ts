// What `state` is bound to (requirement A1), at the connect service: used once, in time, whole, and for its own flow.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { isLong } from '../../scripts/case-counts.ts'
import { printFigure } from '../../scripts/figure.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import { oidcMethod, startOidc } from '../oauth/fixtures/oidc.ts'
import { visit } from '../oauth/fixtures/visitor.ts'
import { sha256 } from './digest.ts'
import {
  comeBack,
  integrationOf,
  mint,
  openWorkbench,
  redirectUri,
  start,
  toAuthorize,
} from './fixtures/workbench.ts'
import { authorizationSet, flowSet } from './sets.ts'

const integration = 'crm'
const provider = await startOidc([redirectUri(integration)])
const bench = await openWorkbench([integrationOf(integration, [oidcMethod(provider.origin)])])
const { connect, store } = bench
after(async () => {
  await bench.close()
  await provider.close()
})

let accounts = 0
async function returning() {
  const caller = await mint(connect, { integrations: [integration], accountId: `acct-${(accounts += 1)}` })
  const flow = await toAuthorize(connect, caller, integration)
  const browser = await start(connect, caller, flow.id)
  const { searchParams: params } = await visit(browser.location, redirectUri(integration))
  return { browser, params, state: params.get('state') ?? '', flow }
}

const withState = (params: URLSearchParams, state: string): URLSearchParams => {
  const changed = new URLSearchParams(params)
  changed.set('state', state)
  return changed
}

/** Code and status that the callback is refused with. */
async function refusal(browser: Parameters<typeof comeBack>[1], params: URLSearchParams): Promise<unknown> {
  const outcome = await comeBack(connect, browser, { integration, params }).catch((error: unknown) => error)
  return isAuthFlowError(outcome) ? [outcome.code, outcome.status] : outcome
}

describe('state (A1)', () => {
  it('has 256 bits and is kept as a digest', async () => {
    const seen = new Set<string>()
    const rounds = isLong ? 20 : 5
    for (let round = 0; round < rounds; round += 1) {
      const { state } = await returning()
      assert.match(state, /^[A-Za-z0-9_-]{43}$/)
      seen.add(state)
      assert.equal((await bench.rawBytes()).includes(state), false)
    }
    assert.equal(seen.size, rounds)
  })

  it('makes one token request, for its own flow; everything else is refused with a code', async () => {
    provider.tokenRequests.authorization_code = 0
    const [mine, other] = [await returning(), await returning()]
    const invalid = ['state_invalid', 400]
    const foreign = ['browser_mismatch', 403]
    // Truncated at every length, with a letter changed at every place, and written otherwise.
    for (let at = 0; at < mine.state.length; at += 1) {
      const letter = mine.state[at] === 'A' ? 'B' : 'A'
      const changed = mine.state.slice(0, at) + letter + mine.state.slice(at + 1)
      assert.deepEqual(await refusal(mine.browser, withState(mine.params, mine.state.slice(0, at))), invalid)
      assert.deepEqual(await refusal(mine.browser, withState(mine.params, changed)), invalid)
    }
    for (const state of [
      `${mine.state}A`,
      ` ${mine.state}`,
      mine.state.toLowerCase(),
      encodeURIComponent('\0'),
    ]) {
      if (state !== mine.state)
        assert.deepEqual(await refusal(mine.browser, withState(mine.params, state)), invalid)
    }
    // Swapped between two flows that are both alive.
    assert.deepEqual(await refusal(mine.browser, withState(mine.params, other.state)), foreign)
    assert.deepEqual(await refusal(other.browser, mine.params), foreign)
    assert.equal(provider.tokenRequests.authorization_code, 0)

    const done = await comeBack(connect, mine.browser, { integration, params: mine.params })
    assert.equal(done.result, 'done')
    // Replayed: by the same browser the outcome is shown again, by others nothing.
    const again = await comeBack(connect, mine.browser, { integration, params: mine.params })
    assert.deepEqual(again, done)
    assert.deepEqual(await refusal(other.browser, mine.params), foreign)
    // Replayed while the flow were waiting again.
    await store.update(flowSet, mine.flow.id, {}, { set: { stage: 'authorize' } })
    assert.deepEqual(await refusal(mine.browser, mine.params), invalid)
    // Late, and after retention took the record.
    await store.update(authorizationSet, sha256(other.state), {}, { set: { endsAt: store.now() } })
    assert.deepEqual(await refusal(other.browser, other.params), invalid)
    await store.update(authorizationSet, sha256(other.state), {}, { set: { expireAt: store.now() } })
    assert.deepEqual(await refusal(other.browser, other.params), invalid)
    assert.equal(provider.tokenRequests.authorization_code, 1)
    printFigure({
      requirement: 'A1',
      name: 'token requests for one good callback among replayed, expired, truncated, changed and swapped ones',
      value: provider.tokenRequests.authorization_code,
    })
  })

  it('ends after ten minutes', async () => {
    const { state } = await returning()
    const trip = await store.get(authorizationSet, sha256(state))
    const leftMs = (trip?.endsAt ?? 0) - store.now()
    assert.ok(leftMs > 0 && leftMs <= 600_000)
  })
})

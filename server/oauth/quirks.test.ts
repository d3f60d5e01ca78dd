// A7: what token endpoints answer in the wild, over real connections; and that nothing but a usable token connects.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import {
  connectDirectly,
  integrationOf,
  openWorkbench,
  type Workbench,
} from '../connect/fixtures/workbench.ts'
import type { TokenSet } from '../integrations/integration.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { exchangeCode } from './exchange.ts'
import { oauthMethod } from './fixtures/methods.ts'
import type { Quirk } from './fixtures/quirk.ts'
import { granted } from './fixtures/quirks-granted.ts'
import { refusedOrUseless } from './fixtures/quirks-refused.ts'
import { startTokenServer } from './fixtures/token-server.ts'
import { refreshTokens } from './refresh.ts'

const quirks: readonly Quirk[] = [...granted, ...refusedOrUseless]
const server = await startTokenServer()
const fetch = createGuardedFetch({ allowLoopback: true })
after(async () => {
  await fetch.close()
  await server.close()
})

function ask({ grant, method }: Quirk): Promise<TokenSet> {
  const endpoint = { method: oauthMethod(server.origin, method), fields: {}, fetch }
  if (grant === 'refresh_token') return refreshTokens(endpoint, 'rt-old')
  const params = new URLSearchParams({ code: 'c', state: 's' })
  return exchangeCode(endpoint, { params, redirectUri: 'https://a.example/callback' })
}

describe('A7 answers of token endpoints', () => {
  for (const quirk of quirks) {
    it(quirk.name, async () => {
      server.reply = () => quirk.reply
      const { expect } = quirk
      if ('code' in expect) {
        await assert.rejects(ask(quirk), (error) => {
          assert.ok(isAuthFlowError(error), String(error))
          const told = { code: error.code, providerCode: error.details.providerCode }
          assert.deepEqual(told, { providerCode: undefined, ...expect })
          const shown = JSON.stringify([error.message, error.details, String(error.cause), error.toReply()])
          assert.doesNotMatch(shown, /planted|at-1/)
          return true
        })
        return
      }
      const asked = Date.now()
      const { expiresAt, ...tokens } = await ask(quirk)
      const { lifetime, ...expected } = expect
      assert.deepEqual(tokens, expected)
      assert.equal(expiresAt === undefined, lifetime === undefined)
      if (expiresAt === undefined || lifetime === undefined) return
      assert.ok(expiresAt >= asked + lifetime * 1000 && expiresAt <= Date.now() + lifetime * 1000)
    })
  }

  it('are at least the 34 that are known, each under a name of its own', () => {
    assert.equal(new Set(quirks.map(({ name }) => name)).size, quirks.length)
    assert.ok(quirks.length >= 34)
    printFigure({ requirement: 'A7', name: 'answers handled', value: quirks.length })
  })
})

describe('A7 connections', () => {
  const failing = quirks.filter(({ grant, expect }) => grant === undefined && 'code' in expect)
  const ids = failing.map((_, index) => `quirk-${index}`)
  let bench: Workbench
  before(async () => {
    const methods = failing.map(({ method }) => oauthMethod(server.origin, method))
    bench = await openWorkbench(methods.map((method, index) => integrationOf(ids[index] ?? '', [method])))
  })
  after(() => bench.close())

  it('are never made of an answer without a usable token', async () => {
    for (const [index, { name, reply }] of failing.entries()) {
      server.reply = () => reply
      const at = { integration: ids[index] ?? '', accountId: 'acct-1' }
      const outcome = await connectDirectly(bench.connect, at)
      assert.equal(outcome.result, 'failed', name)
      assert.equal(await bench.connect.findConnection(at), undefined, name)
    }
    printFigure({
      requirement: 'A7',
      name: 'useless answers, none of which connected',
      value: failing.length,
    })
  })
})

// Tokens whose owner the provider does not say: nothing of ours holds them, so they are ended at the provider.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { startTokenServer } from '../oauth/fixtures/token-server.ts'
import { connectDirectly, integrationOf, openWorkbench } from './fixtures/workbench.ts'
import { auditSet } from './sets.ts'

const provider = await startTokenServer()
let owner: () => Promise<{ identity: { id: string; label: string } }> = async () => ({
  identity: { id: 'ada', label: 'Ada' },
})
const bench = await openWorkbench([
  integrationOf('crm', [
    oauthMethod(provider.origin, {
      revocationUrl: () => `${provider.origin}/revoke`,
      identify: () => owner(),
    }),
  ]),
])
const { connect } = bench
after(async () => {
  await bench.close()
  await provider.close()
})

const integration = 'crm'
let tokens = 0
/** Answers with new tokens, and tells which are revoked. */
function listenForRevocation(): Promise<string | null> {
  tokens += 1
  return new Promise((resolve) => {
    provider.reply = ({ path, form }) => {
      if (path === '/revoke') resolve(form.get('token'))
      return {
        body: { access_token: `access-${tokens}`, refresh_token: `refresh-${tokens}`, token_type: 'bearer' },
      }
    }
  })
}

describe('tokens whose owner can’t be told', () => {
  for (const [what, error] of [
    ['refuses them', new AuthFlowError('credentials_rejected')],
    ['trips', new TypeError('x is undefined')],
    ['names nobody', undefined],
  ] as const) {
    it(`are revoked when the provider’s hook ${what}`, async () => {
      const revoked = listenForRevocation()
      let asked = 0
      // The first answer is the flow's; whoever ends the tokens may ask again and learn it.
      owner = async () => {
        asked += 1
        if (asked > 1 && !(error instanceof AuthFlowError))
          return { identity: { id: 'nobody-else', label: 'x' } }
        if (error) throw error
        return { identity: { id: '', label: '' } }
      }
      const outcome = await connectDirectly(connect, { integration, accountId: `acct-${tokens}` })
      assert.equal(outcome.result, 'failed')
      assert.equal(await revoked, `refresh-${tokens}`)
      assert.equal(await connect.findConnection({ integration, accountId: `acct-${tokens}` }), undefined)
    })
  }

  it('are asked about again when the provider did not answer, and left alone while somebody holds the grant', async () => {
    owner = async () => ({ identity: { id: 'ada', label: 'Ada' } })
    void listenForRevocation()
    assert.equal((await connectDirectly(connect, { integration, accountId: 'holder' })).result, 'done')
    let asked = 0
    const learned = new Promise<void>((resolve) => {
      owner = async () => {
        asked += 1
        if (asked === 1) throw new AuthFlowError('provider_unavailable')
        resolve()
        return { identity: { id: 'ada', label: 'Ada' } }
      }
    })
    let revoked = false
    void listenForRevocation().then(() => (revoked = true))
    const outcome = await connectDirectly(connect, { integration, accountId: 'second' })
    assert.deepEqual([outcome.result, outcome.errorCode], ['failed', 'provider_unavailable'])
    await learned
    // Whether the grant is left alone is written down once it was decided.
    const query = { index: 'byAccount', equals: 'second', limit: 10 }
    let decided: readonly string[] = []
    while (decided.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      decided = (await bench.store.list(auditSet, query)).items.map(({ action }) => action)
    }
    assert.deepEqual(decided, ['grant.kept'])
    assert.equal(revoked, false, 'the holder of the same identity would lose its grant')
    assert.equal((await connect.getConnection({ integration, accountId: 'holder' })).state, 'active')
  })
})

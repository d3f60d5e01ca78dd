// Connecting with what a strict authorization server asks for: pushed requests, a signed client, an ID token, a resource.

import assert from 'node:assert/strict'
import { after, it, describe } from 'node:test'
import { apps, fullMethod, resource, startFullOidc } from '../oauth/fixtures/full-oidc.ts'
import {
  connectByOAuth,
  integrationOf,
  mint,
  openWorkbench,
  redirectUri,
  start,
  toAuthorize,
} from './fixtures/workbench.ts'

const op = await startFullOidc([redirectUri('pushed'), redirectUri('signed'), redirectUri('unreachable')])
const pushedAuthorizationUrl = (): string => `${op.origin}/request`
const oidc = { jwksUrl: () => `${op.origin}/jwks` }
const signer = { ...apps.signer, privateKey: op.signingKey, scopes: ['openid', 'things'] }
const bench = await openWorkbench([
  integrationOf('pushed', [fullMethod(op.origin, { pushedAuthorizationUrl, oidc })]),
  integrationOf('signed', [
    fullMethod(op.origin, {
      client: signer,
      clientAuth: 'privateKeyJwt',
      pushedAuthorizationUrl,
      oidc,
      resource: [resource],
    }),
  ]),
  integrationOf('unreachable', [
    fullMethod(op.origin, { pushedAuthorizationUrl: () => 'http://169.254.169.254/request' }),
  ]),
])
after(async () => {
  await bench.close()
  await op.close()
})

describe('a flow at a strict server', () => {
  for (const integration of ['pushed', 'signed']) {
    it(`goes through whole with the method ${integration}, and refreshes`, async () => {
      const { outcome } = await connectByOAuth(bench.connect, { integration })
      assert.equal(outcome.result, 'done')
      const at = { id: integration, accountId: 'acct-1' }
      const first = await bench.connect.getAuth(at)
      assert.equal(first.identity.id, 'ada', 'from the validated ID token')
      const second = await bench.connect.getAuth({ ...at, rejectedTokenHash: first.tokenHash })
      assert.notEqual(second.tokenHash, first.tokenHash)
    })
  }

  it('sends the browser away with a reference only', async () => {
    const caller = await mint(bench.connect, { integrations: ['pushed'], accountId: 'acct-2' })
    const flow = await toAuthorize(bench.connect, caller, 'pushed')
    const { location } = await start(bench.connect, caller, flow.id)
    assert.deepEqual([...new URL(location).searchParams.keys()].sort(), ['client_id', 'request_uri'])
  })

  it('does not begin where the server can’t take the request', async () => {
    const caller = await mint(bench.connect, { integrations: ['unreachable'], accountId: 'acct-3' })
    const flow = await toAuthorize(bench.connect, caller, 'unreachable')
    await assert.rejects(start(bench.connect, caller, flow.id), { code: 'blocked_host' })
  })
})

// Connecting by a code that the user types at the provider: A13.

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import type { FlowView } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import type { DeviceMethod } from '../integrations/integration.ts'
import { apps, profileOf, startFullOidc, typeCode } from '../oauth/fixtures/full-oidc.ts'
import { startTokenServer, type PlannedReply } from '../oauth/fixtures/token-server.ts'
import type { Connect, TokenCaller } from './connect.ts'
import { integrationOf, mint, openWorkbench, see } from './fixtures/workbench.ts'

const op = await startFullOidc([])
const server = await startTokenServer()
const deviceMethod = (changes: Partial<DeviceMethod>): DeviceMethod => ({
  ...profileOf(op.origin),
  id: 'device',
  label: 'On another device',
  clientAuth: 'none',
  client: { ...apps.device, scopes: ['openid', 'things'] },
  deviceAuthorizationUrl: () => `${op.origin}/device/auth`,
  ...changes,
})
const quick = deviceMethod({
  tokenUrl: () => `${server.origin}/token`,
  revocationUrl: () => `${server.origin}/revoke`,
  deviceAuthorizationUrl: () => `${server.origin}/device`,
  identify: async () => ({ identity: { id: 'ada', label: 'Ada' } }),
})
const bench = await openWorkbench([
  integrationOf('op-device', [deviceMethod({})]),
  integrationOf('quick-device', [{ ...quick, grantScope: 'connection' }]),
  integrationOf('nobody-device', [
    { ...quick, grantScope: 'connection', identify: async () => ({ identity: { id: '', label: '' } }) },
  ]),
])
after(async () => {
  await bench.close()
  await server.close()
  await op.close()
})

let accounts = 0
let accountId = ''
/** What the token endpoint says, and when it was asked. */
let answer: PlannedReply
let asked: number[] = []
let code: Record<string, unknown>
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  answer = { status: 400, body: { error: 'authorization_pending' } }
  asked = []
  code = {
    device_code: 'planted-device-code',
    user_code: 'WDJB-MJHT',
    verification_uri: 'https://provider.example/device',
    interval: 0.05,
    expires_in: 600,
  }
  server.reply = ({ path }) => {
    if (path === '/device') return { body: code }
    if (path === '/token') asked.push(performance.now())
    return path === '/token' ? answer : {}
  }
})

async function begin(integration: string, connect: Connect = bench.connect) {
  const caller = await mint(connect, { integrations: [integration], accountId })
  const flow = await connect.begin(caller, { flowId: createFlowId(), integration })
  assert.deepEqual([flow.stage, flow.method, flow.fields], ['fields', 'device', []])
  const { id: flowId, version } = flow
  const submitted = await connect.submit(caller, { flowId, version, method: 'device', values: {} })
  return { caller, flowId, view: submitted }
}

/** The flow once it is in another stage than `verify`. */
async function ended(
  caller: TokenCaller,
  view: FlowView,
  connect: Connect = bench.connect,
): Promise<FlowView> {
  let seen = view
  while (seen.stage === 'verify') {
    const flows = [{ id: seen.id, version: seen.version }]
    const [next] = await connect.watch(caller, { flows, waitMs: 10_000 }, new AbortController().signal)
    seen = next ?? seen
  }
  return seen
}

/** Resolves when the provider was asked so often. */
async function askedTimes(times: number): Promise<void> {
  while (asked.length < times) await new Promise((resolve) => setTimeout(resolve, 10))
}

const granted = {
  body: { access_token: 'at-1', token_type: 'bearer', refresh_token: 'rt-1', expires_in: 3600 },
}

describe('a flow by a device code', () => {
  it('shows the code, waits for the user, and ends in a connection that works and refreshes', async () => {
    const { caller, view } = await begin('op-device')
    const { device } = view
    assert.equal(view.stage, 'verify')
    assert.equal(device?.verificationUrl, `${op.origin}/device`)
    assert.match(device?.userCode ?? '', /^[A-Z-]{9}$/)
    assert.ok(Date.parse(device?.expiresAt ?? '') > Date.now())
    await typeCode(op, device?.userCode ?? '', 'confirm')
    const done = await ended(caller, view)
    assert.deepEqual([done.stage, done.device, done.connection?.method], ['done', undefined, 'oauth2'])
    const at = { id: 'op-device', accountId }
    const auth = await bench.connect.getAuth(at)
    assert.equal(auth.type, 'oauth2')
    const again = await bench.connect.getAuth({ ...at, rejectedTokenHash: auth.tokenHash })
    assert.notEqual(again.tokenHash, auth.tokenHash, 'refreshed at the token endpoint of the device method')
    await bench.connect.disconnect({ integration: at.id, accountId }, 'test')
  })

  it('never shows the secret half of the code, and keeps it sealed', async () => {
    const { caller, flowId, view } = await begin('quick-device')
    assert.doesNotMatch(JSON.stringify(await see(bench.connect, caller, flowId)), /planted/)
    assert.equal((await bench.rawBytes()).includes('planted-device-code'), false)
    answer = granted
    assert.equal((await ended(caller, view)).stage, 'done')
    const revoked = server.requests.filter(({ path }) => path === '/revoke').length
    await bench.connect.disconnect({ integration: 'quick-device', accountId }, 'test')
    while (server.requests.filter(({ path }) => path === '/revoke').length === revoked) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })

  it('asks no sooner than the provider wants, and 5 s more seldom after slow_down', async () => {
    code['interval'] = 0.2
    const { caller, view } = await begin('quick-device')
    await askedTimes(3)
    answer = { status: 400, body: { error: 'slow_down' } }
    await askedTimes(4)
    answer = granted
    assert.equal((await ended(caller, view)).stage, 'done')
    const gaps = asked.slice(1).map((time, index) => time - (asked[index] ?? 0))
    assert.ok(
      gaps.every((gap) => gap >= 190),
      String(gaps),
    )
    assert.ok((gaps.at(-1) ?? 0) >= 5_150, String(gaps))
  })

  it('goes on while the provider is down', async () => {
    answer = { status: 503 }
    const { caller, view } = await begin('quick-device')
    await askedTimes(2)
    answer = granted
    assert.equal((await ended(caller, view)).stage, 'done')
  })

  it('ends when the user says no, when the code ends, and when the provider is at its wit’s end', async () => {
    const ways: readonly [PlannedReply, string, string][] = [
      [{ status: 400, body: { error: 'access_denied' } }, 'cancelled', 'access_denied'],
      [{ status: 400, body: { error: 'expired_token' } }, 'failed', 'device_code_expired'],
      [{ body: { error: 'invalid_client' } }, 'failed', 'client_misconfigured'],
      [{ body: {} }, 'failed', 'provider_reply_invalid'],
    ]
    for (const [reply, stage, error] of ways) {
      answer = reply
      const { caller, view } = await begin('quick-device')
      const end = await ended(caller, view)
      assert.deepEqual([end.stage, end.error?.code], [stage, error])
    }
    assert.equal(await bench.connect.findConnection({ integration: 'quick-device', accountId }), undefined)
  })

  it('ends when the code’s time is over, also if the provider never says so', async () => {
    code['expires_in'] = 0.3
    const { caller, view } = await begin('quick-device')
    const end = await ended(caller, view)
    assert.deepEqual([end.stage, end.error?.code], ['failed', 'device_code_expired'])
  })

  it('is asked about no more once it is cancelled', async () => {
    const { caller, flowId } = await begin('quick-device')
    await askedTimes(1)
    await bench.connect.cancel(caller, { flowId })
    const before = asked.length
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.ok(asked.length <= before + 1, 'the one under way may still end')
    assert.equal((await see(bench.connect, caller, flowId)).stage, 'cancelled')
  })

  it('gives the tokens up when the flow is over by the time they come, or nobody can say whose they are', async () => {
    const revocations = () => server.requests.filter(({ path }) => path === '/revoke').length
    const before = revocations()
    const cancelled = await begin('quick-device')
    server.reply = async ({ path }) => {
      if (path === '/device') return { body: code }
      if (path !== '/token') return {}
      await bench.connect.cancel(cancelled.caller, { flowId: cancelled.flowId })
      return granted
    }
    while (revocations() === before) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.equal((await see(bench.connect, cancelled.caller, cancelled.flowId)).stage, 'cancelled')
    server.reply = ({ path }) => (path === '/device' ? { body: code } : path === '/token' ? granted : {})
    const unknown = await begin('nobody-device')
    const end = await ended(unknown.caller, unknown.view)
    assert.deepEqual([end.stage, end.error?.code], ['failed', 'provider_reply_invalid'])
    while (revocations() === before + 1) await new Promise((resolve) => setTimeout(resolve, 10))
  })

  it('shows no page that is not one', async () => {
    for (const page of [
      'javascript:alert(1)',
      'http://provider.example/device',
      'https://10.0.0.1/',
      'data:text/html,x',
    ]) {
      code['verification_uri'] = page
      const { view } = await begin('quick-device')
      assert.deepEqual([view.stage, view.error?.code], ['failed', 'insecure_endpoint'], page)
    }
    for (const userCode of ['', '\u0000', 'x'.repeat(65), 7, null]) {
      code = { ...code, user_code: userCode }
      const { view } = await begin('quick-device')
      assert.deepEqual([view.stage, view.error?.code], ['failed', 'provider_reply_invalid'])
    }
  })

  it('is taken up by another process when its own is gone, and asked about by one at a time', async () => {
    const gone = await bench.another()
    const { caller, view } = await begin('quick-device', gone.connect)
    await askedTimes(1)
    await bench.connect.sweep()
    const before = asked.length
    await askedTimes(before + 3)
    const gaps = asked.slice(1).map((time, index) => time - (asked[index] ?? 0))
    assert.ok(
      gaps.every((gap) => gap >= 45),
      String(gaps),
    )
    await gone.connect.close()
    answer = granted
    // The lease was given back; a process that is killed holds it for 3 s more.
    await bench.connect.sweep()
    assert.equal((await ended(caller, view)).stage, 'done')
  })
})

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { createFlowId } from '../../shared/ids.ts'
import type { FlowView } from '../../shared/flow.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import { sha256 } from './digest.ts'
import { integrationOf, mint, openWorkbench } from './fixtures/workbench.ts'
import { flowSet, tokenSet } from './sets.ts'
import type { TokenCaller } from './connect.ts'

const methods = [oauthMethod('https://provider.example')]
const bench = await openWorkbench([integrationOf('one', methods), integrationOf('two', methods)])
const { connect, store } = bench
after(() => bench.close())

const never = new AbortController().signal
const watch = (
  caller: TokenCaller,
  flows: readonly { id: string; version: number }[],
  waitMs: number,
  signal = never,
) => connect.watch(caller, { flows, waitMs }, signal)

async function begun(
  accountId: string,
  integration = 'one',
): Promise<{ caller: TokenCaller; flow: FlowView }> {
  const caller = await mint(connect, { integrations: [integration], accountId })
  return { caller, flow: await connect.begin(caller, { flowId: createFlowId(), integration }) }
}

async function timed<T>(work: Promise<T>): Promise<{ result: T; ms: number }> {
  const from = performance.now()
  const result = await work
  return { result, ms: performance.now() - from }
}

describe('Connect.watch', () => {
  it('answers at once what differs, and nothing when asked not to wait', async () => {
    const { caller, flow } = await begun('a')
    assert.deepEqual(await watch(caller, [{ id: flow.id, version: 0 }], 20_000), [flow])
    assert.deepEqual(await watch(caller, [flow], 0), [])
  })

  it('waits for a change in this process and is woken at once', async () => {
    const { caller, flow } = await begun('b')
    const waiting = timed(watch(caller, [flow], 20_000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const cancelled = await connect.cancel(caller, { flowId: flow.id })
    const { result, ms } = await waiting
    assert.deepEqual(result, [cancelled])
    assert.ok(ms < 15_000, `took ${ms} ms`)
  })

  it('is woken by a change in another process', async () => {
    const other = await bench.another()
    const { caller, flow } = await begun('c')
    const waiting = timed(watch(caller, [flow], 20_000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await other.connect.cancel(caller, { flowId: flow.id })
    const { result, ms } = await waiting
    assert.equal(result[0]?.stage, 'cancelled')
    assert.ok(ms < 15_000, `took ${ms} ms`)
  })

  it('answers with nothing when the time is over or the caller went away', async () => {
    const { caller, flow } = await begun('d')
    const { result, ms } = await timed(watch(caller, [flow], 80))
    assert.deepEqual(result, [])
    assert.ok(ms >= 75 && ms < 15_000, `took ${ms} ms`)
    const gone = AbortSignal.timeout(30)
    assert.deepEqual(await watch(caller, [flow], 20_000, gone), [])
  })

  it('holds two calls of a token and answers the third at once', async () => {
    const { caller, flow } = await begun('e')
    const leave = new AbortController()
    const held = [watch(caller, [flow], 20_000, leave.signal), watch(caller, [flow], 20_000, leave.signal)]
    await new Promise((resolve) => setTimeout(resolve, 30))
    const third = await timed(watch(caller, [flow], 20_000))
    assert.deepEqual(third.result, [])
    assert.ok(third.ms < 15_000)
    leave.abort()
    await Promise.all(held)
    const { ms } = await timed(watch(caller, [flow], 60))
    assert.ok(ms >= 55, 'a place that was given back can be taken again')
  })

  it('leaves out flows of others and unknown ones, alike', async () => {
    const [mine, foreign] = [await begun('f'), await begun('g')]
    const asked = [mine.flow, foreign.flow, { id: createFlowId() }].map(({ id }) => ({ id, version: 0 }))
    assert.deepEqual(await watch(mine.caller, asked, 0), [mine.flow])
    const sameAccount = await mint(connect, { integrations: ['two'], accountId: 'f', purpose: 'manage' })
    assert.deepEqual(await watch(sameAccount, asked, 0), [])
    const manage = await mint(connect, { integrations: ['one'], accountId: 'f', purpose: 'manage' })
    assert.deepEqual(await watch(manage, asked, 0), [mine.flow])
  })

  it('lets an expired token read the flow it began and nothing else', async () => {
    const { caller, flow } = await begun('h')
    const sibling = await begun('h')
    await store.update(tokenSet, sha256(caller.token ?? ''), {}, { set: { expiresAt: 1 } })
    const seen = (id: string) => [{ id, version: 0 }]
    assert.deepEqual(await watch(caller, seen(flow.id), 0), [flow])
    await assert.rejects(watch(caller, seen(sibling.flow.id), 0), { code: 'token_expired' })
    await assert.rejects(watch(caller, [], 0), { code: 'token_expired' })
  })

  it('ends a flow that took longer than 30 minutes', async () => {
    const { caller, flow } = await begun('i')
    await store.update(flowSet, flow.id, {}, { set: { endsAt: store.now() } })
    const [view] = await watch(caller, [flow], 0)
    assert.deepEqual([view?.stage, view?.error?.code], ['failed', 'flow_expired'])
    const cancelled = await connect.cancel(caller, { flowId: flow.id })
    assert.equal(cancelled.stage, 'failed', 'what is over stays as it ended')
  })

  it('answers everybody when the server closes', async () => {
    const other = await bench.another()
    const { caller, flow } = await begun('j')
    const waiting = timed(other.connect.watch(caller, { flows: [flow], waitMs: 20_000 }, never))
    await new Promise((resolve) => setTimeout(resolve, 30))
    await other.connect.close()
    const { result, ms } = await waiting
    assert.deepEqual(result, [])
    assert.ok(ms < 15_000)
    assert.deepEqual(await other.connect.watch(caller, { flows: [flow], waitMs: 20_000 }, never), [])
  })
})

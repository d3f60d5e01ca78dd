// What is asked after authorisation, whole, at the stand-in Slack: which channel?

import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import type { ConnectTokenRequest, FlowView } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Configuration } from '../integrations/integration.ts'
import { Slack } from '../integrations/slack.ts'
import { startSandbox } from '../sandbox/sandbox.ts'
import type { TokenCaller } from './connect.ts'
import { turnedClock } from './fixtures/around-store.ts'
import {
  comeBack,
  mint,
  openWorkbench,
  redirectUri,
  returnUrl,
  see,
  start,
  toAuthorize,
} from './fixtures/workbench.ts'
import { auditSet, flowSet, teardownSet } from './sets.ts'

const sandbox = await startSandbox({
  redirectUris: ['slack', 'slack-private', 'slack-odd'].map(redirectUri),
})
const clock = turnedClock()
const slackOf = <const Id extends string>(id: Id, more: readonly string[] = []) =>
  new Slack({
    id,
    connect: true,
    configure: 'channel',
    oauth: { ...sandbox.slack.client, scopes: ['chat:write', 'channels:read', ...more] },
    endpoints: sandbox.slack.endpoints,
  })
/** The hooks of an integration that goes wrong as each test says. */
const odd: Pick<Required<Configuration>, 'options' | 'labelOf' | 'settle'> = {
  options: async () => ({ options: [] }),
  labelOf: async () => undefined,
  settle: async (values) => values,
}
const oddSlack = slackOf('slack-odd')
const { configure } = oddSlack.connect ?? {}
assert.ok(configure && oddSlack.connect)
const { label: changeChannel, ...unlabelled } = configure
Object.assign(oddSlack.connect, {
  configure: {
    ...unlabelled,
    options: (...asked) => odd.options(...asked),
    labelOf: (...asked) => odd.labelOf(...asked),
    settle: (...asked) => odd.settle(...asked),
  } satisfies Configuration,
})
const plainSlack = new Slack({
  id: 'slack-plain',
  connect: true,
  oauth: { ...sandbox.slack.client, scopes: ['chat:write'] },
  endpoints: sandbox.slack.endpoints,
})
const bench = await openWorkbench(
  [slackOf('slack'), slackOf('slack-private', ['groups:read']), oddSlack, plainSlack],
  undefined,
  { aroundStore: clock.around },
)
const { connect, store } = bench
after(async () => {
  await bench.close()
  await sandbox.close()
})

let accounts = 0
let accountId = ''
beforeEach(() => {
  accountId = `acct-${(accounts += 1)}`
  sandbox.slack.faults.clear()
  odd.options = async () => ({ options: [] })
  odd.labelOf = async () => undefined
  odd.settle = async (values) => values
})

/** A page whose user has consented and is now asked for the channel. */
async function asked(
  integration = 'slack',
  { person = 'ada', ...request }: Partial<ConnectTokenRequest> & { readonly person?: string } = {},
): Promise<{ caller: TokenCaller; flow: FlowView; result: string }> {
  const caller = await mint(connect, { integrations: [integration], accountId, ...request })
  const begun = await toAuthorize(connect, caller, integration)
  const browser = await start(connect, caller, begun.id)
  const callback = new URL(await sandbox.slack.consent(browser.location, { person }))
  const { result } = await comeBack(connect, browser, { integration, params: callback.searchParams })
  return { caller, flow: await see(connect, caller, begun.id), result }
}

const answer = (caller: TokenCaller, { id, version }: FlowView, channel: string): Promise<FlowView> =>
  connect.submit(caller, { flowId: id, version, method: 'oauth2', values: { channel } })

const choices = async (caller: TokenCaller, { id }: FlowView, query = {}) => {
  const { options, ...rest } = await connect.options(caller, { flowId: id, field: 'channel', ...query })
  return { labels: options.map(({ label }) => label), ...rest }
}

const revocations = (): number => sandbox.slack.counts()['POST /api/auth.revoke'] ?? 0

const settled = async (): Promise<void> => {
  for (let tries = 0; tries < 50; tries += 1) {
    const { items } = await store.list(teardownSet, { index: 'due', equals: 'teardown', limit: 10 })
    if (items.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail('a grant was not ended')
}

describe('configure', () => {
  it('asks after authorisation, with choices loaded as the account, and connects with the answer', async () => {
    const { caller, flow, result } = await asked()
    assert.equal(result, 'configure')
    assert.equal(flow.stage, 'configure')
    assert.deepEqual(
      flow.fields.map(({ name, schema, optionLabels }) => [name, schema.enum, optionLabels]),
      [['channel', ['C0ACMEGEN', 'C0ACMERAN'], ['#general', '#random']]],
    )
    assert.deepEqual(await choices(caller, flow), { labels: ['#general', '#random'] })
    assert.deepEqual(await choices(caller, flow, { search: '#RAN' }), { labels: ['#random'] })
    assert.deepEqual(await choices(caller, flow, { search: 'nothing like it' }), { labels: [] })

    const done = await answer(caller, flow, 'C0ACMERAN')
    assert.equal(done.stage, 'done')
    assert.equal(done.connection?.fields['channelName'], 'random')
    const auth = await connect.getAuth({ id: 'slack', accountId })
    assert.deepEqual([auth.fields['channel'], auth.fields['teamId']], ['C0ACMERAN', 'T0ACME001'])
    const listed = await connect.getConnection({ integration: 'slack', accountId })
    assert.equal(listed.fields['channel'], 'C0ACMERAN')
  })

  it('connects nothing before the answer, and keeps the grant sealed', async () => {
    const { flow } = await asked()
    await assert.rejects(connect.getAuth({ id: 'slack', accountId }), { code: 'not_connected' })
    assert.equal(await connect.findConnection({ integration: 'slack', accountId }), undefined)
    const record = await store.get(flowSet, flow.id)
    assert.deepEqual(Object.keys(record?.secrets ?? {}), ['grant'])
    assert.equal((await bench.rawBytes()).includes('xoxb-'), false)
  })

  it('goes on after a reload, in a page with another token of the account', async () => {
    const { flow } = await asked()
    const other = await mint(connect, { integrations: ['slack'], accountId })
    const again = await see(connect, other, flow.id)
    assert.deepEqual([again.stage, again.fields], ['configure', flow.fields])
    assert.equal((await answer(other, again, 'C0ACMEGEN')).stage, 'done')
  })

  it('lists private channels only where the scope allows it', async () => {
    const { caller, flow } = await asked('slack-private')
    assert.deepEqual(await choices(caller, flow), { labels: ['#general', '#random', '🔒 orders'] })
    const done = await answer(caller, flow, 'G0ACMEORD')
    assert.equal(done.connection?.fields['channelName'], 'orders')
  })

  it('believes nothing that a page sends: another workspace’s channel is refused at the field', async () => {
    const { caller, flow } = await asked()
    for (const channel of ['C0GLOBGEN', 'general', '../auth.test']) {
      const view = await see(connect, caller, flow.id)
      const refused = await answer(caller, view, channel)
      assert.equal(refused.stage, 'configure', channel)
      assert.deepEqual(
        refused.errors.map(({ field, reason }) => [field, reason]),
        [['channel', 'rejected']],
      )
    }
    const empty = await answer(caller, await see(connect, caller, flow.id), '')
    assert.deepEqual([empty.stage, empty.errors[0]?.reason], ['configure', 'required'])
  })

  it('tells what the provider says, and stays where it is', async () => {
    const { caller, flow } = await asked()
    sandbox.slack.faults.next({ rateLimitSeconds: 7 })
    await assert.rejects(choices(caller, flow), { code: 'rate_limited' })
    sandbox.slack.faults.next({ status: 503 })
    const back = await answer(caller, flow, 'C0ACMEGEN')
    assert.deepEqual([back.stage, back.errors.map(({ field }) => field)], ['configure', ['channel']])
    assert.equal((await answer(caller, back, 'C0ACMEGEN')).stage, 'done')
  })

  it('shows at the field that choices can not be loaded, and loads them with the next answer', async () => {
    odd.options = async () => {
      throw new AuthFlowError('provider_unavailable')
    }
    const { caller, flow } = await asked('slack-odd')
    assert.deepEqual(
      [flow.stage, flow.errors.map(({ field, reason }) => [field, reason])],
      ['configure', [['channel', 'unavailable']]],
    )
    assert.deepEqual([flow.fields[0]?.required, flow.fields[0]?.schema.enum], [false, []])
    odd.options = async () => ({ options: [{ value: 'C0ACMEGEN', label: '#general' }] })
    const again = await answer(caller, flow, '')
    assert.deepEqual(again.fields[0]?.schema.enum, ['C0ACMEGEN'])
    assert.deepEqual(
      again.errors.map(({ reason }) => reason),
      ['required'],
    )
  })

  it('says so where there is nothing to choose', async () => {
    const { flow } = await asked('slack-odd')
    assert.match(flow.errors[0]?.message ?? '', /nothing there yet/)
  })

  it('puts pages together, a thousand choices at most, and asks once for all tabs', async () => {
    let calls = 0
    odd.options = async ({ cursor = '0' }) => {
      calls += 1
      const from = Number(cursor)
      const options = Array.from({ length: 300 }, (_, index) => ({
        value: `v${from + index}`,
        label: `${index}`,
      }))
      return { options, cursor: String(from + 300) }
    }
    const { caller, flow } = await asked('slack-odd')
    assert.equal(flow.fields[0]?.schema.enum?.length, 1000)
    assert.equal(flow.fields[0].optionLabels?.length, 1000)
    await Promise.all([see(connect, caller, flow.id), see(connect, caller, flow.id)])
    assert.equal(calls, 4)
  })

  it('tells apart choices with the same label', async () => {
    odd.options = async () => ({
      options: ['C1', 'C2', 'C3'].map((value) => ({ value, label: value === 'C3' ? '#b' : '#a' })),
    })
    const [field] = (await asked('slack-odd')).flow.fields
    assert.deepEqual(field?.optionLabels, ['#a (C1)', '#a (C2)', '#b'])
  })

  it('tells pages that there is something to change, and what a button for it says', () => {
    assert.equal(connect.describe('slack').configureLabel, changeChannel)
    assert.equal(connect.describe('slack-odd').configureLabel, 'Change Channel')
    assert.equal('configureLabel' in connect.describe('slack-plain'), false)
  })

  it('gives choices to nobody else, and of no other field', async () => {
    const { caller, flow } = await asked()
    const stranger = await mint(connect, { integrations: ['slack'], accountId: 'stranger' })
    await assert.rejects(choices(stranger, flow), { code: 'flow_not_found' })
    const manage = await mint(connect, { integrations: ['slack'], accountId, purpose: 'manage' })
    await assert.rejects(choices(manage, flow), { code: 'purpose_not_allowed' })
    await assert.rejects(connect.options(caller, { flowId: flow.id, field: 'token' }), {
      code: 'invalid_input',
    })
    await answer(caller, flow, 'C0ACMEGEN')
    await assert.rejects(choices(caller, flow), { code: 'token_spent' })
  })

  it('gives the grant up when the user cancels', async () => {
    const { caller, flow } = await asked('slack', { person: 'grace' })
    const before = revocations()
    assert.equal((await connect.cancel(caller, { flowId: flow.id })).stage, 'cancelled')
    await settled()
    assert.equal(revocations(), before + 1)
    assert.deepEqual((await store.get(flowSet, flow.id))?.secrets, {})
    await assert.rejects(answer(caller, flow, 'C0GLOBGEN'), { code: 'flow_ended' })
  })

  it('gives the grant up when nobody comes back', async () => {
    const { flow } = await asked('slack', { person: 'grace' })
    const before = revocations()
    clock.aheadMs += 31 * 60_000
    await connect.sweep()
    await settled()
    // Flows that other cases left open are over, too.
    assert.ok(revocations() > before)
    const ended = await store.get(flowSet, flow.id)
    assert.deepEqual([ended?.stage, ended?.error?.code], ['failed', 'flow_expired'])
  })

  it('gives the grant up once when the answer cannot be settled', async () => {
    const { caller, flow } = await asked('slack-odd', { person: 'grace' })
    const before = revocations()
    odd.settle = async () => {
      throw new AuthFlowError('insufficient_scope')
    }
    const failed = await answer(caller, flow, 'C0GLOBGEN')
    assert.deepEqual([failed.stage, failed.error?.code], ['failed', 'insufficient_scope'])
    await settled()
    assert.equal(revocations(), before + 1)
  })

  it('lets one of two answers win, and keeps its grant', async () => {
    const { caller, flow } = await asked()
    const before = revocations()
    const outcomes = await Promise.allSettled([
      answer(caller, flow, 'C0ACMEGEN'),
      answer(caller, flow, 'C0ACMERAN'),
    ])
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    await settled()
    assert.equal(revocations(), before)
    assert.ok((await connect.getAuth({ id: 'slack', accountId })).fields['channel'])
  })

  it('is bounded in what it takes from an integration', async () => {
    const { caller, flow } = await asked('slack-odd')
    odd.options = async () => ({
      options: Array.from({ length: 1500 }, (_, index) => ({ value: `v${index}`, label: 'x'.repeat(1000) })),
      cursor: 'c'.repeat(2000),
    })
    const { labels, ...rest } = await choices(caller, flow)
    assert.deepEqual([labels.length, labels[0]?.length, rest], [1000, 256, {}])
    odd.options = async () => {
      throw new TypeError('undefined is not a function')
    }
    await assert.rejects(choices(caller, flow), { code: 'provider_reply_invalid' })
  })

  it('asks the provider twice at once for one flow, not more', async () => {
    const { caller, flow } = await asked('slack-odd')
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    odd.options = async () => {
      await held
      return { options: [] }
    }
    const two = [choices(caller, flow), choices(caller, flow)]
    await new Promise((resolve) => setTimeout(resolve, 50))
    await assert.rejects(choices(caller, flow), { code: 'rate_limited' })
    release()
    await Promise.all(two)
  })

  describe('once connected', () => {
    const connected = async (): Promise<void> => {
      const { caller, flow } = await asked()
      assert.equal((await answer(caller, flow, 'C0ACMEGEN')).stage, 'done')
    }
    const changing = async (purpose: 'create' | 'reconnect' = 'reconnect', integration = 'slack') => {
      const caller = await mint(connect, { integrations: [integration], accountId, purpose })
      const input = { flowId: createFlowId(), integration, configure: true }
      return { caller, flow: await connect.begin(caller, input) }
    }

    it('keeps the answer when the account connects again, and asks nothing', async () => {
      await connected()
      const { flow, result } = await asked('slack', { purpose: 'reconnect' })
      assert.deepEqual([result, flow.stage], ['done', 'done'])
      assert.equal(flow.connection?.fields['channel'], 'C0ACMEGEN')
    })

    it('asks again after a disconnect', async () => {
      await connected()
      await connect.disconnect({ integration: 'slack', accountId }, 'web')
      await settled()
      assert.equal((await asked()).flow.stage, 'configure')
    })

    it('changes the answer without a trip to the provider, and writes it down', async () => {
      await connected()
      const { caller, flow } = await changing()
      assert.deepEqual([flow.stage, flow.values], ['configure', { channel: 'C0ACMEGEN' }])
      assert.deepEqual((await choices(caller, flow)).labels, ['#general', '#random'])
      const done = await answer(caller, flow, 'C0ACMERAN')
      assert.equal(done.stage, 'done')
      assert.equal((await connect.getAuth({ id: 'slack', accountId })).fields['channelName'], 'random')
      const { items } = await store.list(auditSet, {
        index: 'byAccount',
        equals: accountId,
        order: 'desc',
        limit: 10,
      })
      assert.ok(items.some(({ action, key }) => action === 'connection.configured' && key === 'web'))
    })

    it('shows the answer as it is where the list ends before it, as long as it is there', async () => {
      odd.options = async ({ cursor = '0' }) => ({
        options: [{ value: `v${cursor}`, label: cursor }],
        cursor: String(Number(cursor) + 1),
      })
      odd.labelOf = (...request) => configure.labelOf?.(...request) ?? assert.fail()
      const { caller, flow } = await asked('slack-odd')
      assert.equal((await answer(caller, flow, 'C0ACMERAN')).stage, 'done')
      const [there] = (await changing('reconnect', 'slack-odd')).flow.fields
      assert.deepEqual([there?.schema.enum?.length, there?.schema.enum?.at(-1)], [11, 'C0ACMERAN'])
      assert.equal(there?.optionLabels?.at(-1), '#random')
      odd.labelOf = async () => {
        throw new AuthFlowError('insufficient_scope')
      }
      const [unnamed] = (await changing('reconnect', 'slack-odd')).flow.fields
      assert.equal(unnamed?.optionLabels?.at(-1), 'C0ACMERAN')

      odd.options = async () => ({ options: [{ value: 'C0ACMEGEN', label: '#general' }] })
      const [whole] = (await changing('reconnect', 'slack-odd')).flow.fields
      assert.deepEqual(whole?.schema.enum, ['C0ACMEGEN'])
    })

    it('leaves out an answer that is gone', async () => {
      odd.options = async ({ cursor = '0' }) => ({
        options: [{ value: `v${cursor}`, label: cursor }],
        cursor,
      })
      odd.labelOf = (...request) => configure.labelOf?.(...request) ?? assert.fail()
      const { caller, flow } = await asked('slack-odd')
      assert.equal((await answer(caller, flow, 'C0GLOBGEN')).stage, 'done')
      const [field] = (await changing('reconnect', 'slack-odd')).flow.fields
      assert.equal(field?.schema.enum?.includes('C0GLOBGEN'), false)
    })

    it('ends a change that is given up without touching the connection', async () => {
      await connected()
      const before = revocations()
      const { caller, flow } = await changing()
      await connect.cancel(caller, { flowId: flow.id })
      await settled()
      assert.equal(revocations(), before)
      assert.equal((await connect.getAuth({ id: 'slack', accountId })).fields['channel'], 'C0ACMEGEN')
    })

    it('changes it with a token of purpose reconnect only, for who is connected', async () => {
      await assert.rejects(changing(), { code: 'not_connected' })
      await assert.rejects(changing('create'), { code: 'purpose_not_allowed' })
    })
  })

  it('asks nothing where the host has to confirm the flow', async () => {
    const link = await connect.createLink({ accountId, integration: 'slack', returnUrl }, 'web')
    const token = link.url.slice(link.url.lastIndexOf('/') + 1)
    const { location, cookie } = await connect.openLink(token, 'http://localhost:3000', [])
    const callback = new URL(await sandbox.slack.consent(location, { person: 'ada' }))
    const browser = { location, cookies: new Map([[cookie.name, cookie.value]]) }
    const { flowId, result } = await comeBack(connect, browser, {
      integration: 'slack',
      params: callback.searchParams,
    })
    assert.equal(result, 'confirm')
    const connection = await connect.confirm({ flowId, accountId })
    assert.deepEqual([connection.state, connection.fields['channel']], ['active', undefined])
  })
})

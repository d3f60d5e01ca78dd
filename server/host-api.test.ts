// What a host may ask about its jobs, in its own process and over HTTP: the same names, shapes and errors. And what an
// account's page sees of the same runs, which is less.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ErrorCode } from '../shared/errors.ts'
import { createClient } from './client.ts'
import { callPublic, dig, secretKeys, startTestServer, type TestServer } from './http/fixtures/test-server.ts'
import { until } from './jobs/fixtures/engine-fixture.ts'
import type { IntegrationList, ServerApi } from './server-api.ts'
import { DynamicSchedule } from './triggers/dynamic-schedule.ts'
import { eventTrigger } from './triggers/event-trigger.ts'
import { invokeTrigger } from './triggers/invoke-trigger.ts'

type Api = Omit<ServerApi<IntegrationList>, 'integrationTypes' | 'auth' | 'getAuth'>

/** What only the host may see, wherever a run has it. */
const canaries = ['payload', 'context', 'output', 'task', 'log', 'value'].map(
  (place) => `CANARY-${place}-${place.length}`,
)
const canary = (place: string): string => canaries.find((one) => one.includes(place)) ?? ''

describe('runs, events, schedules and values', () => {
  let server: TestServer
  const ways: Record<'in the process' | 'over HTTP', () => Api> = {
    'in the process': () => server.client,
    'over HTTP': () => createClient({ url: server.url, secretKey: secretKeys.jobs }),
  }
  before(async () => {
    server = await startTestServer({ options: { worker: true } })
    server.client.defineJob({
      id: 'report',
      name: 'Report',
      version: '1.0.0',
      trigger: invokeTrigger(),
      run: async (payload, io) => {
        const status = await io.createStatus('progress', { label: 'Writing', data: { rows: 1 } })
        await io.runTask('task', () => canary('task'))
        await io.logger.info(canary('log'))
        await io.store.global.set('keep', 'kept', canary('value'))
        await status.update('done', { label: 'Written', state: 'success' })
        if (payload === 'fail') throw new Error('broken')
        if (payload === 'wait') await io.wait('long', 3600)
        return canary('output')
      },
    })
  })
  before(() => {
    server.client.defineJob({
      id: 'sleep',
      name: 'Sleep',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'sleep' }),
      run: async (_, io) => io.wait('long', 3600),
    })
  })
  after(() => server.close())

  /** A run that has reached the state. */
  async function run(api: Api, payload: string, state: string): Promise<string> {
    const { id } = await api.invoke('report', payload, { accountId: 'ada', context: canary('context') })
    await until(`it is ${state}`, async () => (await api.getRun(id)).state === state)
    return id
  }

  for (const [way, apiOf] of Object.entries(ways)) {
    describe(way, () => {
      let api: Api
      before(() => {
        api = apiOf()
      })

      it('gets a run with its output, its statuses and a page of its tasks', async () => {
        const id = await run(api, canary('payload'), 'succeeded')
        const all = await api.getRun(id)
        assert.deepEqual([all.output, all.accountId, all.cursor], [canary('output'), 'ada', undefined])
        assert.deepEqual(
          all.tasks.map(({ key, kind }) => [key, kind]),
          [
            ['progress', 'status'],
            ['task', 'task'],
            ['keep', 'task'],
            ['done', 'status'],
          ],
        )
        const first = await api.runs.get({ id, limit: 3 })
        assert.deepEqual(first.tasks, all.tasks.slice(0, 3))
        assert.ok(first.cursor !== undefined)
        const rest = await api.getRun(id, { limit: 3, cursor: first.cursor })
        assert.deepEqual([rest.tasks, rest.cursor], [all.tasks.slice(3), undefined])
        const { run: own, statuses } = await api.getRunStatuses(id)
        assert.deepEqual(own, { id, state: 'succeeded' })
        assert.deepEqual(
          statuses.map(({ label, state, data, history }) => [label, state, data, history.length]),
          [['Written', 'success', { rows: 1 }, 1]],
        )
      })

      it('lists runs by job, state and account, page by page', async () => {
        const failed = await run(api, 'fail', 'failed')
        const found = await api.getRuns({ job: 'report', state: 'failed', accountId: 'ada', limit: 1 })
        assert.deepEqual(
          found.items.map(({ id, error }) => [id, error?.message]),
          [[failed, 'broken']],
        )
        assert.deepEqual((await api.getRuns({ accountId: 'grace' })).items, [])
        const ids: string[] = []
        let cursor: string | undefined
        do {
          const page = await api.getRuns({
            job: 'report',
            limit: 2,
            ...(cursor === undefined ? {} : { cursor }),
          })
          ids.push(...page.items.map(({ id }) => id))
          cursor = page.cursor
        } while (cursor !== undefined)
        assert.equal(new Set(ids).size, ids.length)
        assert.ok(ids.includes(failed))
      })

      it('cancels, replays and resumes runs, and tells of their events', async () => {
        const waiting = await run(api, 'wait', 'waiting')
        assert.equal((await api.cancelRun(waiting)).state, 'cancelled')
        const replay = await api.replayRun(waiting)
        await until('it waits again', async () => (await api.getRun(replay.id)).state === 'waiting')
        await api.cancelRun(replay.id)
        const failed = await run(api, 'fail', 'failed')
        assert.equal((await api.resumeRun(failed)).endedAt, null)
        await until('it failed again', async () => (await api.getRun(failed)).state === 'failed')
        const event = { id: `later ${way}`, name: 'nothing.listens', payload: null }
        await api.sendEvent(event, { accountId: 'ada', deliverAfter: 600 })
        assert.equal((await api.getEvent(event.id, { accountId: 'ada' })).state, 'delayed')
        assert.equal((await api.cancelEvent(event.id, { accountId: 'ada' })).state, 'cancelled')
      })

      it('refuses text where an object belongs: it would cancel the runs of all accounts', async () => {
        const wrong = JSON.parse('"ada"') as never
        const calls = {
          cancelRunsForJob: () => api.cancelRunsForJob('report', wrong),
          cancelRunsForEvent: () => api.cancelRunsForEvent('some', wrong),
          cancelForJob: () => api.runs.cancelForJob(wrong),
          getEvent: () => api.getEvent('some', wrong),
          getRun: () => api.getRun('some', wrong),
          get: () => api.runs.get(wrong),
        }
        for (const [name, call] of Object.entries(calls))
          await assert.rejects(call, { code: 'invalid_input' }, name)
      })

      it('cancels all runs of an event, and all of a job', async () => {
        const waiting = await Promise.all(
          ['wait', 'wait', 'wait'].map((payload) => run(api, payload, 'waiting')),
        )
        const [one = ''] = waiting
        await api.sendEvent({ id: `all ${way}`, name: 'sleep', payload: null }, { accountId: 'ada' })
        const event = { accountId: 'ada' }
        const found = await api.getEvent(`all ${way}`, event)
        const cancelled = await api.cancelRunsForEvent(`all ${way}`, event)
        assert.deepEqual(cancelled, {
          cancelledRunIds: found.runs.map(({ id }) => id),
          failedToCancelRunIds: [],
        })
        assert.equal(cancelled.cancelledRunIds.length, 1)
        await assert.rejects(api.cancelRunsForEvent(`all ${way}`), { code: 'not_found' })
        assert.deepEqual((await api.cancelRunsForJob('report', { accountId: 'grace' })).cancelledRunIds, [])
        const all = await api.cancelRunsForJob('report', event)
        assert.deepEqual(all.cancelledRunIds.toSorted(), waiting.toSorted())
        assert.equal((await api.getRun(one)).state, 'cancelled')
        assert.deepEqual((await api.cancelRunsForJob('report')).cancelledRunIds, [])
      })

      it('has schedules, which DynamicSchedule takes from any client', async () => {
        const schedule = new DynamicSchedule(api, { id: `digest-${way.replaceAll(' ', '-')}` })
        const made = await schedule.register('ada', {
          type: 'cron',
          options: { cron: '0 9 * * MON', timeZone: 'Europe/Berlin' },
          accountId: 'ada',
          metadata: { note: 1 },
        })
        assert.deepEqual([made.accountId, made.metadata, typeof made.nextAt], ['ada', { note: 1 }, 'string'])
        assert.deepEqual((await schedule.list()).items, [made])
        assert.deepEqual([await schedule.unregister('ada'), await schedule.unregister('ada')], [true, false])
        await assert.rejects(
          api.schedules.register({ schedule: 's', key: 'k', rule: { ...made.rule, spread: 1e9 } }),
          { code: 'invalid_input' },
        )
      })

      it('has values of the environment', async () => {
        const { global } = api.store
        await global.set('of the host', { n: [1, null] })
        assert.deepEqual(
          [await global.get('of the host'), await global.has('of the host')],
          [{ n: [1, null] }, true],
        )
        assert.deepEqual(
          [await global.delete('of the host'), await global.get('of the host')],
          [true, undefined],
        )
        await global.set('large', 'x'.repeat(256 * 1024 - 2))
        await global.delete('large')
      })

      const nothing = { id: 'no-such-run' }
      const wrong: Readonly<Record<string, readonly [() => Promise<unknown>, ErrorCode]>> = {
        'getRun: unknown': [() => api.getRun('no-such-run'), 'not_found'],
        'getRun: no page': [() => api.getRun('no-such-run', { limit: 0 }), 'invalid_input'],
        'getRun: too large a page': [() => api.getRun('no-such-run', { limit: 1001 }), 'invalid_input'],
        'getRun: a cursor of another kind': [
          () => api.getRun('no-such-run', { cursor: 'x' }),
          'invalid_input',
        ],
        'getRuns: too large a page': [() => api.getRuns({ limit: 101 }), 'invalid_input'],
        'getRuns: a cursor of another kind': [() => api.getRuns({ cursor: 'x' }), 'invalid_input'],
        'getRunStatuses: unknown': [() => api.getRunStatuses('no-such-run'), 'not_found'],
        'cancelRun: unknown': [() => api.cancelRun('no-such-run'), 'not_found'],
        'replayRun: unknown': [() => api.replayRun('no-such-run'), 'not_found'],
        'resumeRun: unknown': [() => api.resumeRun('no-such-run'), 'not_found'],
        'runs.log: unknown': [() => api.runs.log(nothing), 'not_found'],
        'getEvent: unknown': [() => api.getEvent('no-such-event'), 'not_found'],
        'cancelEvent: unknown': [() => api.cancelEvent('no-such-event'), 'not_found'],
        'registrations.register: unknown trigger': [
          () => api.registrations.register({ trigger: 'none', key: 'k', params: null }),
          'unknown_trigger',
        ],
        'registrations.get: unknown': [
          () => api.registrations.get({ trigger: 'none', key: 'k' }),
          'not_found',
        ],
        'registrations.get: no key': [
          () => api.registrations.get({ trigger: 'none', key: '' }),
          'invalid_input',
        ],
        'schedules.register: no key': [
          () =>
            api.schedules.register({
              schedule: 's',
              key: '',
              rule: { type: 'interval', seconds: 60, misfire: 'last', overlap: 'allow', spread: 0 },
            }),
          'invalid_input',
        ],
        'schedules.register: a day without such a time': [
          () =>
            api.schedules.register({
              schedule: 's',
              key: 'k',
              rule: {
                type: 'cron',
                cron: '0 0 31 2 *',
                timeZone: 'UTC',
                misfire: 'last',
                overlap: 'allow',
                spread: 0,
              },
            }),
          'invalid_input',
        ],
        'schedules.list: too large a page': [
          () => api.schedules.list({ schedule: 's', limit: 0 }),
          'invalid_input',
        ],
        'store.get: no name': [() => api.store.global.get(''), 'invalid_input'],
        'store.set: name too long': [() => api.store.global.set('x'.repeat(257), 1), 'invalid_input'],
        'store.set: too large': [() => api.store.global.set('n', 'x'.repeat(256 * 1024)), 'value_too_large'],
      }
      for (const [name, [call, code]] of Object.entries(wrong)) {
        it(`${name}: ${code}`, async () => {
          await assert.rejects(call(), { name: 'AuthFlowError', code })
        })
      }
    })
  }

  it('shows pages the runs and statuses of their account, and nothing that only the host may see', async () => {
    const api = server.client
    const id = await run(api, canary('payload'), 'succeeded')
    const seen: string[] = []
    const ask = async (path: string, input: unknown, accountId = 'ada') => {
      const token = await server.token('runs', { accountId })
      const answer = await callPublic(server, path, { token, input })
      seen.push(JSON.stringify([answer.body, ...answer.headers]))
      return answer
    }
    const listed = dig((await ask('runs.list', { job: 'report' })).body, 'result', 'data', 'items')
    assert.ok(Array.isArray(listed) && listed.some((item: unknown) => dig(item, 'id') === id))
    assert.equal(dig((await ask('runs.get', { id })).body, 'result', 'data', 'state'), 'succeeded')
    const statuses = dig((await ask('runs.statuses', { id })).body, 'result', 'data')
    assert.deepEqual(dig(statuses, 'run'), { id, state: 'succeeded' })
    assert.deepEqual(
      [dig(statuses, 'statuses', '0', 'label'), dig(statuses, 'statuses', '0', 'data')],
      ['Written', { rows: 1 }],
    )
    for (const path of ['runs.get', 'runs.statuses'])
      assert.deepEqual((await ask(path, { id }, 'grace')).code, 'not_found')
    assert.deepEqual(dig((await ask('runs.list', {}, 'grace')).body, 'result', 'data', 'items'), [])
    for (const secret of canaries) assert.ok(!seen.join().includes(secret), secret)
  })
})

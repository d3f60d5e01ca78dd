import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { AuthFlow } from '../authflow.ts'
import { encryptionKeys, keepLog } from '../http/fixtures/test-server.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { DynamicSchedule } from './dynamic-schedule.ts'
import { eventTrigger } from './event-trigger.ts'
import { invokeTrigger } from './invoke-trigger.ts'
import { cronTrigger, intervalTrigger } from './schedule-trigger.ts'

const directory = await mkdtemp(join(tmpdir(), 'authflow-schedules-'))
after(() => rm(directory, { recursive: true, force: true }))

const open = (file: string): AuthFlow<readonly []> =>
  new AuthFlow({
    environment: 'test',
    baseUrl: 'http://localhost:1',
    store: `sqlite:${join(directory, file)}`,
    encryptionKeys,
    integrations: [],
    logger: keepLog(),
  })

const options = { type: 'interval', options: { seconds: 60 } } as const

describe('DynamicSchedule', () => {
  it('starts each of its jobs as the account, with key and metadata, and survives a restart', async () => {
    const seen: unknown[] = []
    const build = (): { client: AuthFlow<readonly []>; reports: DynamicSchedule } => {
      const client = open('one.db')
      const reports = new DynamicSchedule(client, { id: 'reports' })
      client.defineJob({
        id: 'report',
        name: 'Report',
        version: '1.0.0',
        trigger: reports,
        run: (payload, _, ctx) =>
          void seen.push([ctx.source?.id, ctx.source?.metadata, ctx.account?.id, payload.ts instanceof Date]),
      })
      return { client, reports }
    }
    const first = build()
    const options = {
      type: 'interval',
      options: { seconds: 1 },
      accountId: '7',
      metadata: { to: 'ada' },
    } as const
    const made = await first.reports.register('weekly', options)
    assert.equal(made.accountId, '7')
    assert.deepEqual(await first.reports.register('weekly', options), made)
    await until('a run', () => seen.length > 0)
    assert.deepEqual(seen[0], ['weekly', { to: 'ada' }, '7', true])
    await first.client.close()

    const second = build()
    await second.client.start()
    const before = seen.length
    await until('a run after the restart', () => seen.length > before)
    assert.equal(await second.reports.unregister('weekly'), true)
    assert.equal(await second.reports.unregister('weekly'), false)
    assert.deepEqual((await second.reports.list()).items, [])
    await second.client.close()
  })

  it('keeps schedules apart that use the same key', async () => {
    const client = open('two.db')
    const [one, two] = ['one', 'two'].map((id) => new DynamicSchedule(client, { id }))
    assert(one && two)
    const daily = { type: 'cron', options: { cron: '0 9 * * *', timeZone: 'Asia/Tokyo' } } as const
    await one.register('daily', daily)
    await two.register('daily', { ...daily, accountId: '1' })
    assert.equal((await one.list()).items[0]?.accountId, null)
    await one.unregister('daily')
    assert.equal((await two.list()).items.length, 1)
    await client.close()
  })

  it('lists the registrations of one account, page by page', async () => {
    const client = open('seven.db')
    const [reports, others] = ['reports', 'others'].map((id) => new DynamicSchedule(client, { id }))
    assert(reports && others)
    const daily = { type: 'cron', options: { cron: '0 9 * * *' } } as const
    for (const accountId of ['1', '2']) {
      for (const key of ['a', 'b', 'c'])
        await reports.register(`${accountId}-${key}`, { ...daily, accountId })
      await others.register('other', { ...daily, accountId })
    }
    await reports.register('mine', daily)
    const keys: string[] = []
    let cursor: string | undefined
    do {
      const page = await reports.list({
        accountId: '2',
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      })
      keys.push(...page.items.map(({ key }) => key))
      cursor = page.cursor
    } while (cursor !== undefined)
    assert.deepEqual(keys.sort(), ['2-a', '2-b', '2-c'])
    assert.deepEqual((await reports.list({ accountId: 'nobody' })).items, [])
    await assert.rejects(reports.list({ accountId: '' }), { code: 'invalid_input' })
    assert.equal((await reports.list()).items.length, 7)
    await client.close()
  })

  it('is a task inside of a run: a replay does not register again', async () => {
    const client = open('three.db')
    const reminders = new DynamicSchedule(client, { id: 'reminders' })
    let passes = 0
    client.defineJob({
      id: 'sign-up',
      name: 'Sign up',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'signed-up' }),
      run: async (_, io) => {
        passes += 1
        const made = await reminders.register('a', { type: 'interval', options: { seconds: 3600 } })
        await reminders.unregister('a')
        await io.wait('a moment', 0.2)
        return made.key
      },
    })
    const { runIds } = await client.sendEvent({ name: 'signed-up', payload: {} })
    const run = await until('the end', async () => {
      const found = await client.runs.get({ id: runIds[0] ?? '' })
      return found.state === 'succeeded' ? found : undefined
    })
    assert.equal(passes, 2)
    assert.deepEqual(
      run.tasks.map(({ key }) => key),
      ['reminders/a/register', 'reminders/a/unregister', 'a moment'],
    )
    assert.deepEqual((await reminders.list()).items, [])
    await client.close()
  })

  it('takes any key inside of a run, the same one again, and tries nothing again that can only fail', async () => {
    const client = open('six.db')
    const reminders = new DynamicSchedule(client, { id: 'reminders' })
    const every = (seconds: number) => ({ type: 'interval', options: { seconds } }) as const
    const [long, odd] = ['x'.repeat(256), 'für/Ada #2']
    client.defineJob({
      id: 'sign-up',
      name: 'Sign up',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'signed-up' }),
      run: async (_, io) => {
        const made = [await reminders.register('a', every(60)), await reminders.register('a', every(90))]
        await io.wait('a moment', 0.2)
        made.push(await reminders.register('a', every(120)))
        for (const key of [long, odd]) made.push(await reminders.register(key, every(60)))
        const refused = reminders.register('b', { ...every(60), metadata: 'x'.repeat(20_000) })
        const code = await refused.then(
          () => 'registered',
          (error: unknown) => isAuthFlowError(error) && error.code,
        )
        return [code, ...made.map(({ key, rule }) => [key.length, rule.type === 'interval' && rule.seconds])]
      },
    })
    const { runIds } = await client.sendEvent({ name: 'signed-up', payload: {} })
    const run = await until('the end', async () => {
      const found = await client.runs.get({ id: runIds[0] ?? '' })
      return found.endedAt === null ? undefined : found
    })
    assert.deepEqual(run.output, ['invalid_input', [1, 60], [1, 90], [1, 120], [256, 60], [10, 60]])
    assert.deepEqual(
      run.tasks.slice(0, 4).map(({ key }) => key),
      ['reminders/a/register', 'reminders/a/register#2', 'a moment', 'reminders/a/register#3'],
    )
    assert(run.tasks.every(({ attempts, key }) => attempts <= 1 && key.length <= 256))
    const left = (await reminders.list()).items.map(({ key }) => key)
    assert.deepEqual(left.sort(), ['a', long, odd].sort())
    await client.close()
  })

  it('refuses keys, accounts and metadata that are none', async () => {
    const client = open('four.db')
    const schedule = new DynamicSchedule(client, { id: 'x' })
    await assert.rejects(schedule.register('', options), { code: 'invalid_input' })
    await assert.rejects(schedule.register('x'.repeat(257), options), { code: 'invalid_input' })
    await assert.rejects(schedule.register('a', { ...options, accountId: '' }), { code: 'invalid_input' })
    await assert.rejects(schedule.register('a', { ...options, metadata: 'x'.repeat(20_000) }), {
      code: 'invalid_input',
    })
    assert.throws(() => new DynamicSchedule(client, { id: 'a b' }), { code: 'invalid_input' })
    await client.close()
  })

  it('names what is wrong with a call that has no types', async () => {
    const client = open('six.db')
    const schedule = new DynamicSchedule(client, { id: 'x' })
    const cases: [unknown, unknown, RegExp][] = [
      [undefined, options, /^The key given to register of x must be text/],
      ['a', undefined, /^register of DynamicSchedule x takes an object with type, options/],
      [
        'a',
        { type: 'daily', options: {} },
        /^type in register of DynamicSchedule x must be cron or interval/,
      ],
      ['a', { type: 'cron' }, /^`options` of DynamicSchedule x takes an object with cron, timeZone/],
      ['a', { type: 'cron', options: { cron: '0 0 * * *', timezone: 'Asia/Tokyo' } }, /no option "timezone"/],
    ]
    for (const [key, given, message] of cases)
      await assert.rejects(schedule.register(key as never, given as never), {
        code: 'invalid_input',
        message,
      })
    await assert.rejects(schedule.unregister(undefined as never), {
      code: 'invalid_input',
      message: /unregister of x/,
    })
    assert.throws(() => new DynamicSchedule(undefined as never, { id: 'x' }), {
      code: 'invalid_input',
      message: /^DynamicSchedule x needs the client/,
    })
    assert.throws(() => new DynamicSchedule(client, undefined as never), { code: 'invalid_input' })

    client.defineJob({
      id: 'keyless',
      name: 'Keyless',
      version: '1.0.0',
      trigger: invokeTrigger(),
      run: async () => schedule.unregister(undefined as never),
    })
    const { id } = await client.invoke('keyless', {})
    await until('it is over', async () => (await client.getRun(id)).endedAt !== null)
    assert.equal((await client.getRun(id)).error?.code, 'invalid_input')
    await client.close()
  })
})

describe('cronTrigger', () => {
  it('refuses what is no rule and options that it does not know, as intervalTrigger does', () => {
    const timezone = { cron: '0 3 * * *', timezone: 'Europe/Berlin' }
    const refused = {
      code: 'invalid_input',
      message: /^cronTrigger has no option "timezone"\. It takes cron, timeZone/,
    }
    assert.throws(() => cronTrigger(timezone), refused)
    assert.throws(() => cronTrigger(undefined as never), {
      code: 'invalid_input',
      message: /^cronTrigger takes/,
    })
    assert.throws(() => intervalTrigger(undefined as never), {
      code: 'invalid_input',
      message: /^intervalTrigger takes/,
    })
    assert.throws(() => invokeTrigger({ schema: {} as never }), {
      code: 'invalid_input',
      message: /safeParse/,
    })
  })

  it('fires by itself, and nobody can pretend to be it', async () => {
    const client = open('five.db')
    client.defineJob({
      id: 'nightly',
      name: 'Nightly',
      version: '1.0.0',
      trigger: cronTrigger({ cron: '0 3 * * *', timeZone: 'Europe/Berlin' }),
      run: () => undefined,
    })
    await assert.rejects(
      client.sendEvent({ name: 'scheduled', source: 'authflow:job/nightly', payload: {} }),
      {
        code: 'invalid_input',
      },
    )
    const { runIds } = await client.sendEvent({
      name: 'scheduled',
      payload: { ts: new Date().toISOString() },
    })
    assert.deepEqual(runIds, [])
    await client.close()
  })
})

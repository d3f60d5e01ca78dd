import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { intervalTrigger } from '../triggers/schedule-trigger.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { createStoreQueue, queueSets } from '../queue/store-queue.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  running,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import type { EngineOptions } from './create-engine.ts'
import type { EventRecord } from './engine.ts'
import type { Json } from './job.ts'
import { jobSets } from './records.ts'
import { createScheduleBook, type ScheduleBook } from './schedule-book.ts'
import { scheduleSets } from './schedule-records.ts'
import { cronRule, intervalRule } from './schedule-rule.ts'
import { createTicker, type Ticker } from './schedule-ticker.ts'

const directory = createDirectory()
after(() => directory.remove())
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

interface Bench extends EngineFixture {
  readonly book: ScheduleBook
  readonly ticker: Ticker
}

type Open = (options?: Partial<EngineOptions>) => Promise<EngineFixture>

const opened: Bench[] = []
afterEach(async () => {
  for (const { close } of opened.splice(0)) await close()
})

async function bench(open: Open, now?: () => number): Promise<Bench> {
  const fixture = await open(now ? { now: running(now) } : {})
  await fixture.store.migrate(scheduleSets, 'test')
  const clock = now ? { now } : {}
  const book = createScheduleBook({ store: fixture.store, ...clock })
  const ticker = createTicker({ store: fixture.store, book, engine: fixture.engine, log: quiet, ...clock })
  const bench = { ...fixture, book, ticker }
  opened.push(bench)
  return bench
}

const url = process.env['TEST_MONGODB_URL']
let mongoCount = 0
const stores: readonly { name: string; skip: string | false; open: Open }[] = [
  { name: 'sqlite', skip: false, open: (options) => openEngine(createDirectoryOf(), options) },
  { name: 'mongodb', skip: url === undefined ? 'TEST_MONGODB_URL is not set' : false, open: openMongo },
]
let count = 0
function createDirectoryOf(): string {
  const path = join(directory.path, String((count += 1)))
  mkdirSync(path)
  return path
}

async function openMongo(options: Partial<EngineOptions> = {}): Promise<EngineFixture> {
  const target = new URL(url ?? '')
  target.pathname = `/schedules_${process.pid}_${(mongoCount += 1)}`
  const store: Store = await openStore(target.href, { log: quiet })
  await store.migrate([...jobSets, ...queueSets], 'test')
  const queue = createStoreQueue(store, options.now ? { now: options.now } : {})
  const fixture = await openEngine(createDirectoryOf(), { ...options, store, queue })
  const own = fixture.store
  return {
    ...fixture,
    store,
    close: async () => {
      await fixture.engine.stop(2000)
      await queue.close()
      await store.close()
      await own.close()
    },
  }
}

for (const { name, skip, open } of stores) {
  describe(`schedules on ${name}`, { skip }, () => {
    const payloads = (bag: Json[]) => ({
      id: 'tick',
      name: 'Tick',
      version: '1.0.0',
      run: (payload: { ts: Date; lastTimestamp?: Date }) => {
        bag.push([payload.ts.toISOString(), payload.lastTimestamp?.toISOString() ?? null])
      },
    })

    it('fires a job at its time, once for two tickers, and tells the time before', async () => {
      const clock = createClock()
      const one = await bench(open, clock.now)
      const seen: Json[] = []
      one.engine.defineJob({ ...payloads(seen), trigger: intervalTrigger({ seconds: 60 }) })
      await one.engine.start()
      const other = createTicker({
        store: one.store,
        book: one.book,
        engine: one.engine,
        log: quiet,
        now: clock.now,
      })
      await one.ticker.round()
      assert.equal(seen.length, 0)
      for (const expected of [1, 2, 3]) {
        clock.advance(60_000)
        await Promise.all([one.ticker.round(), other.round(), one.ticker.round()])
        await until('the run', () => seen.length === expected)
      }
      const [first, second] = seen as [string, string | null][]
      assert.equal(first?.[1], null)
      assert.equal(second?.[1], first?.[0])
      assert.equal((await one.engine.listRuns({ job: 'tick', limit: 50 })).items.length, 3)
    })

    it('makes up for missed times as the rule says', async () => {
      const clock = createClock()
      const one = await bench(open, clock.now)
      const seen = { last: [] as string[], skip: [] as string[], all: [] as string[] }
      for (const misfire of ['last', 'skip', 'all'] as const)
        one.engine.defineJob({
          id: misfire,
          name: misfire,
          version: '1.0.0',
          trigger: intervalTrigger({ seconds: 600, misfire }),
          run: ({ ts }) => void seen[misfire].push(ts.toISOString()),
        })
      await one.engine.start()
      await one.ticker.round()
      clock.advance(6_300_000)
      await one.ticker.round()
      await until('the runs', () => seen.all.length === 10 && seen.last.length === 1)
      await one.ticker.round()
      clock.advance(300_000)
      await one.ticker.round()
      await until(
        'the next',
        () => seen.all.length === 11 && seen.last.length === 2 && seen.skip.length === 1,
      )
      assert.deepEqual([...seen.all].sort().at(-2), seen.last[0])
    })

    it('skips, queues or allows what overlaps', async () => {
      const clock = createClock()
      const one = await bench(open, clock.now)
      const running = new Map<string, number>()
      const most = new Map<string, number>()
      const done = new Map<string, number>()
      let release = (): void => undefined
      let gate = new Promise<void>((resolve) => (release = resolve))
      for (const overlap of ['skip', 'queue', 'allow'] as const)
        one.engine.defineJob({
          id: overlap,
          name: overlap,
          version: '1.0.0',
          trigger: intervalTrigger({ seconds: 60, overlap }),
          run: async () => {
            running.set(overlap, (running.get(overlap) ?? 0) + 1)
            most.set(overlap, Math.max(most.get(overlap) ?? 0, running.get(overlap) ?? 0))
            await gate
            running.set(overlap, (running.get(overlap) ?? 0) - 1)
            done.set(overlap, (done.get(overlap) ?? 0) + 1)
          },
        })
      await one.engine.start()
      await one.ticker.round()
      for (let times = 0; times < 3; times += 1) {
        clock.advance(60_000)
        await one.ticker.round()
      }
      await until('all three at once', () => running.get('allow') === 3)
      assert.deepEqual([most.get('skip'), most.get('queue')], [1, 1])
      const letGo = release
      gate = Promise.resolve()
      letGo()
      await until(
        'the ends',
        () => done.get('allow') === 3 && done.get('queue') === 1 && done.get('skip') === 1,
      )
      await until('the queue', async () => {
        clock.advance(1100)
        await one.ticker.round()
        return done.get('queue') === 3
      })
      assert.deepEqual([most.get('queue'), done.get('skip')], [1, 1])
    })

    it('finishes what a crash left between deciding and sending, once', async () => {
      const clock = createClock()
      const one = await bench(open, clock.now)
      const seen: Json[] = []
      one.engine.defineJob({ ...payloads(seen), trigger: intervalTrigger({ seconds: 60 }) })
      await one.engine.start()
      await one.ticker.round()
      const fails = { ...one.engine, scheduledJobs: () => one.engine.scheduledJobs() }
      let lost = 0
      const crashing = createTicker({
        store: one.store,
        book: one.book,
        log: quiet,
        now: clock.now,
        engine: { ...fails, takeTriggered: () => Promise.reject(new Error(`crash ${(lost += 1)}`)) },
      })
      clock.advance(60_000)
      await crashing.round()
      assert.equal(lost, 1)
      await one.ticker.round()
      assert.equal(seen.length, 0, 'it belongs to the one who decided')
      clock.advance(5_001)
      await one.ticker.round()
      await until('the run', () => seen.length === 1)
      clock.advance(5_001)
      await one.ticker.round()
      assert.equal((await one.engine.listRuns({ job: 'tick', limit: 50 })).items.length, 1)
    })

    it('keeps its times over a restart, and follows the highest version of the job', async () => {
      const clock = createClock()
      const one = await bench(open, clock.now)
      const job = (version: string, seconds: number) => ({
        version,
        engine: {
          scheduledJobs: () => [{ job: 'tick', version, enabled: true, schedule: intervalRule({ seconds }) }],
        },
      })
      await one.book.keepJobs(job('1.9.0', 60).engine.scheduledJobs())
      await one.book.keepJobs(job('1.10.0', 30).engine.scheduledJobs())
      clock.advance(10_000)
      await one.book.keepJobs(job('1.9.0', 60).engine.scheduledJobs())
      await one.book.keepJobs(job('1.10.0', 30).engine.scheduledJobs())
      const sent: string[] = []
      const engine = {
        ...job('1.10.0', 30).engine,
        takeTriggered: (event: { id?: string }) => {
          sent.push(String(event.id))
          return Promise.resolve(taken)
        },
      }
      const ticker = createTicker({ store: one.store, book: one.book, engine, log: quiet, now: clock.now })
      clock.advance(19_000)
      await ticker.round()
      assert.equal(sent.length, 0)
      clock.advance(1_000)
      await ticker.round()
      assert.equal(sent.length, 1)
    })

    it('fires nothing for a job that is off or gone, and makes up for nothing when it is back', async () => {
      const clock = createClock()
      const one = await bench(open, clock.now)
      const schedule = intervalRule({ seconds: 60, misfire: 'all' })
      let jobs = [{ job: 'tick', version: '1.0.0', enabled: true, schedule }]
      const sent: string[] = []
      const engine = {
        scheduledJobs: () => jobs,
        takeTriggered: (event: { id?: string }) => {
          sent.push(String(event.id))
          return Promise.resolve(taken)
        },
      }
      const ticker = createTicker({ store: one.store, book: one.book, engine, log: quiet, now: clock.now })
      await ticker.round()
      jobs = [{ job: 'tick', version: '1.0.0', enabled: false, schedule }]
      await ticker.round()
      clock.advance(600_000)
      await ticker.round()
      jobs = [{ job: 'tick', version: '1.0.0', enabled: true, schedule }]
      await ticker.round()
      assert.equal(sent.length, 0)
      jobs = []
      clock.advance(60_000)
      await ticker.round()
      assert.equal(sent.length, 0)
      jobs = [{ job: 'tick', version: '1.0.0', enabled: true, schedule }]
      await ticker.round()
      clock.advance(60_000)
      await ticker.round()
      assert.equal(sent.length, 1)
    })

    it('spreads schedules of one time, each always by the same', async () => {
      const clock = createClock()
      const one = await bench(open, clock.now)
      const sent: { at: number; id: string }[] = []
      const engine = {
        scheduledJobs: () => [],
        takeTriggered: (event: { id?: string }) => {
          sent.push({ at: clock.now(), id: String(event.id) })
          return Promise.resolve(taken)
        },
      }
      const ticker = createTicker({ store: one.store, book: one.book, engine, log: quiet, now: clock.now })
      const rule = cronRule({ cron: '0 * * * *', spread: 600 })
      for (let index = 0; index < 20; index += 1)
        await one.book.register({
          schedule: 'report',
          key: `account ${index}`,
          rule,
          accountId: String(index),
        })
      const start = clock.now()
      for (let second = 0; second < 3600 + 601; second += 10) {
        clock.advance(10_000)
        if (second % 60 === 0 || sent.length < 20) await ticker.round()
      }
      const [first] = (await one.book.list({ schedule: 'report', limit: 1 })).items
      const hour = Date.parse(first?.nextAt ?? '') - 3_600_000
      assert(hour > start)
      const once = sent.slice(0, 20)
      assert.equal(new Set(once.map(({ id }) => id)).size, 20)
      assert(new Set(once.map(({ at }) => at)).size > 5, 'spread')
    })
  })
}

/** What the engine answers for an event that starts nothing. */
const taken: EventRecord = {
  id: '',
  name: '',
  timestamp: '',
  accountId: null,
  state: 'delivered',
  runIds: [],
}

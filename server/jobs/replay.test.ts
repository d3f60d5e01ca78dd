import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventTrigger } from '../triggers/event-trigger.ts'
import type { RunSummary } from '../../shared/flow.ts'
import {
  createClock,
  createDirectory,
  openEngine,
  reaches,
  until,
  type EngineFixture,
} from './fixtures/engine-fixture.ts'
import type { IO, Json, RunContext, Task } from './job.ts'
import { runs } from './records.ts'

const directory = createDirectory()
/** Stands still while a run is awake, so that a pass never outlasts a wait however slow the machine is. */
const clock = createClock()
let still: EngineFixture
let ticking: EngineFixture
let count = 0

before(async () => {
  still = await openEngine(directory.path, { now: clock.now })
  const other = createDirectory()
  directories.push(other)
  ticking = await openEngine(other.path)
  await Promise.all([still.engine.start(), ticking.engine.start()])
})

after(async () => {
  await Promise.all([still.close(), ticking.close()])
  for (const { remove } of directories) remove()
})

const directories = [directory]

type Work = (io: IO, context: RunContext, payload: Json) => Promise<Json | void>

async function begin({ engine }: EngineFixture, work: Work): Promise<string> {
  const id = `job-${(count += 1)}`
  engine.defineJob({
    id,
    name: id,
    version: '1.0.0',
    trigger: eventTrigger({ name: id }),
    run: (payload, io, context) => work(io, context, payload),
  })
  const event = await engine.sendEvent({ name: id, payload: { n: count } }, { accountId: 'ada' })
  return event.runIds[0] ?? ''
}

/** Runs a job of its own to the end; whenever it sleeps, the clock moves to its next wake. */
async function run(work: Work, state: 'succeeded' | 'failed' = 'succeeded'): Promise<RunSummary> {
  const runId = await begin(still, work)
  await until('the run is over', async () => {
    const record = await still.store.get(runs, runId)
    if (record?.endedAt !== undefined) return true
    if (record?.state !== 'waiting' || record.dueAt === undefined) return undefined
    clock.advance(Math.max(0, record.dueAt - clock.now()))
    await still.engine.sweep()
    return undefined
  })
  return reaches(still.engine, runId, state)
}

/** The same by the clock on the wall. */
async function runInTime(work: Work): Promise<RunSummary> {
  return reaches(ticking.engine, await begin(ticking, work), 'succeeded')
}

const fail = (message: string): never => {
  throw new Error(message)
}

const steps = (summary: RunSummary): string[] => summary.tasks.map(({ key, state }) => `${key} ${state}`)

/** A value as code without types gives it to a task: nothing checks that it is JSON. */
function unchecked(value: unknown): Json {
  const box: { value: Json } = { value: null }
  Object.assign(box, { value })
  return box.value
}

describe('io.runTask', () => {
  it('runs a callback once and gives its result back on replay, round-tripped through JSON from the start', async () => {
    const calls: string[] = []
    const seen: Json[] = []
    let passes = 0
    await run(async (io) => {
      passes += 1
      seen.push(
        await io.runTask('first', () => {
          calls.push('first')
          return unchecked({ at: new Date(0), list: [1, null], nothing: undefined })
        }),
      )
      await io.wait('pause', 60)
      await io.runTask('second', () => void calls.push('second'))
    })
    assert.equal(passes, 2)
    assert.deepEqual(calls, ['first', 'second'])
    assert.deepEqual(seen, [
      { at: '1970-01-01T00:00:00.000Z', list: [1, null] },
      { at: '1970-01-01T00:00:00.000Z', list: [1, null] },
    ])
  })

  it('keeps equal keys under different parents apart, and nested results over a wait inside the parent', async () => {
    const calls: string[] = []
    const results: Json[] = []
    const summary = await run(async (io) => {
      for (const parent of ['a', 'b']) {
        const result = await io.runTask(parent, async () => {
          const one = await io.runTask('child', () => {
            calls.push(`${parent}/child`)
            return `${parent} 1`
          })
          await io.wait('nap', 60)
          return one
        })
        results.push(result)
      }
    })
    assert.deepEqual(calls, ['a/child', 'b/child'])
    assert.deepEqual(results.slice(-2), ['a 1', 'b 1'])
    assert.deepEqual(steps(summary).toSorted(), [
      'a succeeded',
      'b succeeded',
      'child succeeded',
      'child succeeded',
      'nap succeeded',
      'nap succeeded',
    ])
  })

  it('refuses a key twice in one place, also when the keys only look alike after joining', async () => {
    let code: unknown
    await run(async (io) => {
      await io.runTask('x', () => 1)
      await io.runTask('a', () => io.runTask('b', () => 1))
      await io.runTask('a/b', () => 2)
      await io.runTask('x', () => 2).catch((error: unknown) => (code = (error as { code?: string }).code))
    })
    assert.equal(code, 'duplicate_task_key')
  })

  it('throws the same error on the first pass and on every replay', async () => {
    const seen: { name: string; message: string; code: unknown; status: unknown }[] = []
    let calls = 0
    await run(async (io) => {
      try {
        await io.runTask('fails', () => {
          calls += 1
          throw Object.assign(new TypeError('no such channel'), {
            code: 'channel_not_found',
            status: 404,
            request: { secret: 1 },
          })
        })
      } catch (error) {
        const { name, message, code, status } = error as Error & { code: unknown; status: unknown }
        assert.ok(error instanceof Error && !('request' in error))
        seen.push({ name, message, code, status })
      }
      await io.wait('pause', 60)
    })
    assert.equal(calls, 1)
    const expected = { name: 'TypeError', message: 'no such channel', code: 'channel_not_found', status: 404 }
    assert.deepEqual(seen, [expected, expected])
  })

  it('fails the run with the error that nobody caught, and shows it', async () => {
    const summary = await run(async (io) => {
      await io.runTask('breaks', () => Promise.reject(new Error('out of paper')))
    }, 'failed')
    assert.deepEqual(summary.error, { code: 'run_failed', message: 'out of paper' })
    assert.deepEqual(steps(summary), ['breaks failed'])
  })

  it('refuses outputs over 1 MB and outputs that are no JSON, without another try', async () => {
    const codes: unknown[] = []
    let calls = 0
    const note = (error: unknown): void => void codes.push((error as { code?: string }).code)
    await run(async (io) => {
      const retry = { limit: 5, minTimeoutInMs: 1 }
      await io.runTask('large', () => ((calls += 1), 'x'.repeat(1024 * 1024)), { retry }).catch(note)
      await io.runTask('exact', () => 'x'.repeat(1024 * 1024 - 2))
      await io.runTask('bigint', () => ((calls += 1), unchecked(1n)), { retry }).catch(note)
    })
    assert.deepEqual(codes, ['output_too_large', 'invalid_input'])
    assert.equal(calls, 2)
  })

  it('keeps results that do not fit into the run beside it, and brings them back on replay', async () => {
    const calls: number[] = []
    let sizes: number[] = []
    const summary = await run(async (io) => {
      sizes = []
      for (let index = 0; index < 6; index += 1) {
        const text = await io.runTask(`part ${index}`, () => {
          calls.push(index)
          return String(index).repeat(100_000)
        })
        sizes.push(text.length)
      }
      await io.wait('pause', 60)
    })
    assert.deepEqual(calls, [0, 1, 2, 3, 4, 5])
    assert.deepEqual(sizes, [100_000, 100_000, 100_000, 100_000, 100_000, 100_000])
    assert.equal(summary.tasks.length, 7)
    const record = await still.store.get(runs, summary.id)
    assert.equal(record?.overflowed, true)
    assert.ok(JSON.stringify(record).length < 300 * 1024, 'the run itself stays small')
  })

  it('keeps a result beside the run although earlier attempts are in it', async () => {
    const calls: string[] = []
    const retry = { limit: 3, minTimeoutInMs: 1 }
    const summary = await run(async (io) => {
      for (const key of ['first', 'second', 'third']) await io.runTask(key, () => key.repeat(20_000))
      const once = { onInterrupt: 'fail' } as const
      await io.runTask('once', () => (calls.push('once'), 'x'.repeat(100_000)), once)
      const flaky = (task: Task): string => {
        calls.push('flaky')
        if (task.attempt === 1) throw new Error('not yet')
        return 'y'.repeat(100_000)
      }
      await io.runTask('flaky', flaky, { retry })
      await io.wait('pause', 60)
    })
    assert.deepEqual(calls, ['once', 'flaky', 'flaky'])
    const states = summary.tasks.map(({ key, state }) => `${key} ${state}`)
    assert.ok(states.includes('once succeeded') && states.includes('flaky succeeded'), states.join())
  })

  it('stops a task at its timeout and tells it by its signal', async () => {
    let isAborted: boolean | undefined
    const summary = await run(async (io) => {
      await io.runTask(
        'slow',
        (task) =>
          new Promise<void>((resolve) => {
            task.signal.addEventListener('abort', () => {
              isAborted = task.signal.aborted
              setTimeout(resolve, 20)
            })
          }),
        { timeoutInMs: 30 },
      )
    }, 'failed')
    assert.equal(summary.error?.code, 'task_timeout')
    assert.match(summary.error.message, /«slow» of job \S+ did not end within 30 ms/)
    assert.equal(isAborted, true)
  })

  it('gives every task an idempotency key of its own that is the same on repeats with unknown outcome', async () => {
    const keys: string[] = []
    await run(async (io) => {
      const note = (task: Task): void => void keys.push(task.idempotencyKey)
      const retry = { limit: 4, minTimeoutInMs: 1, maxTimeoutInMs: 1 }
      await io.runTask(
        'one',
        (task) => {
          note(task)
          if (task.attempt === 1) throw new Error('connection reset')
          if (task.attempt === 2) throw Object.assign(new Error('unavailable'), { status: 503 })
        },
        { retry },
      )
      await io.runTask('two', note)
    })
    const [first, second, third, other] = keys
    assert.equal(first, second, 'nobody knows what became of the first')
    assert.notEqual(second, third, 'the second was answered')
    assert.notEqual(first, other)
    for (const key of keys) assert.match(key, /^[\x21-\x7e]{20,64}$/)
  })

  it('notices a task that is another one than before', async () => {
    for (const change of ['params', 'kind'] as const) {
      let passes = 0
      const summary = await run(async (io) => {
        passes += 1
        if (passes === 2 && change === 'kind') await io.wait('step', 1)
        else await io.runTask('step', () => 1, { params: { b: passes, a: 1 } })
        await io.wait('pause', 60)
      }, 'failed')
      assert.equal(summary.error?.code, 'replay_mismatch', change)
    }
  })

  it('takes parameters with members in another order for the same', async () => {
    let passes = 0
    await run(async (io) => {
      passes += 1
      await io.runTask('step', () => 1, { params: passes === 1 ? { a: 1, b: 2 } : { b: 2, a: 1 } })
      await io.wait('pause', 60)
    })
    assert.equal(passes, 2)
  })

  it('limits nesting and the length of keys', async () => {
    const codes: unknown[] = []
    const note = (error: unknown): number => codes.push((error as { code?: string }).code)
    await run(async (io) => {
      const nest = (depth: number): Promise<number> =>
        io.runTask('deeper', () => (depth === 0 ? 0 : nest(depth - 1)))
      await nest(9)
      await io.runTask('too deep', () => nest(9)).catch(note)
      await io.runTask('k'.repeat(257), () => 1).catch(note)
      await io.runTask('', () => 1).catch(note)
    })
    assert.deepEqual(codes, ['invalid_input', 'invalid_input', 'invalid_input'])
  })
})

describe('Promise.all over tasks', () => {
  it('runs tasks side by side and each once, with waits among them', async () => {
    const calls: string[] = []
    let passes = 0
    let result: Json = null
    const task = (io: IO, key: string, ms: number): Promise<string> =>
      io.runTask(key, async () => {
        calls.push(key)
        await new Promise((resolve) => setTimeout(resolve, ms))
        return key
      })
    await run(async (io) => {
      passes += 1
      result = await Promise.all([
        task(io, 'a', 10),
        io.wait('w1', 120).then(() => task(io, 'b', 1)),
        io.wait('w2', 240).then(() => task(io, 'c', 1)),
        task(io, 'd', 30),
      ])
    })
    assert.deepEqual(result, ['a', 'b', 'c', 'd'])
    assert.deepEqual(calls, ['a', 'd', 'b', 'c'])
    assert.equal(passes, 3)
  })

  it('goes on in the same pass when a wait is over while another task still runs', async () => {
    const order: string[] = []
    let passes = 0
    await runInTime(async (io) => {
      passes += 1
      await Promise.all([
        io.runTask('long', async () => {
          await new Promise((resolve) => setTimeout(resolve, 150))
          order.push('long')
        }),
        io.wait('short', 0.02).then(() => io.runTask('next', () => void order.push('next'))),
      ])
    })
    assert.deepEqual(order, ['next', 'long'])
    assert.equal(passes, 1)
  })

  it('lets plain awaits beside a wait come back within the grace', async () => {
    const order: string[] = []
    let passes = 0
    await runInTime(async (io) => {
      passes += 1
      await Promise.all([
        io.wait('long', 0.3),
        new Promise((resolve) => setTimeout(resolve, 20)).then(() =>
          io.runTask('beside', () => void order.push(`pass ${passes}`)),
        ),
      ])
    })
    assert.deepEqual(order, ['pass 1'])
  })

  it('ends the run when it returns, whatever is still waiting', async () => {
    const summary = await run(async (io) => {
      await Promise.race([io.wait('never', 3600), io.runTask('winner', () => 1)])
      return 'done'
    })
    assert.deepEqual(steps(summary), ['never cancelled', 'winner succeeded'])
  })

  it('forgets waits inside a task that has ended', async () => {
    const summary = await run(async (io) => {
      await io.runTask('parent', async () => {
        await Promise.race([io.wait('inner', 3600), io.runTask('quick', () => 1)])
      })
      await io.wait('short', 60)
      await io.runTask('last', () => 1)
    })
    assert.equal(summary.state, 'succeeded')
  })
})

describe('io.wait', () => {
  it('can’t be mistaken for an error by try and catch', async () => {
    const caught: unknown[] = []
    let finallys = 0
    let passes = 0
    await run(async (io) => {
      passes += 1
      try {
        await io.wait('pause', 60)
      } catch (error) {
        caught.push(error)
      } finally {
        finallys += 1
      }
      await io.wait('again', 60).catch((error: unknown) => caught.push(error))
    })
    assert.equal(passes, 3)
    assert.deepEqual(caught, [])
    assert.equal(finallys, 2, 'only where the wait was over')
  })

  it('takes as long as it says, counted once over all passes', async () => {
    const started = performance.now()
    const summary = await runInTime(async (io) => {
      await io.wait('one', 0.2)
      await io.wait('two', 0.2)
    })
    const took = performance.now() - started
    assert.ok(took >= 395, `${took} ms`)
    assert.deepEqual(steps(summary), ['one succeeded', 'two succeeded'])
  })

  it('refuses what is no duration', async () => {
    const codes: unknown[] = []
    await run(async (io) => {
      for (const seconds of [-1, Number.NaN, Infinity, 1e12]) {
        await io
          .wait(`w${seconds}`, seconds)
          .catch((error: unknown) => codes.push((error as { code?: string }).code))
      }
      await io.wait('none', 0)
    })
    assert.deepEqual(codes, ['invalid_input', 'invalid_input', 'invalid_input', 'invalid_input'])
  })
})

describe('io.logger', () => {
  it('keeps lines once over replays, and the same line twice as two', async () => {
    const summary = await run(async (io) => {
      await io.logger.info('hello', { n: 1 })
      await io.logger.info('hello', { n: 1 })
      await io.logger.warn('hello')
      await io.wait('pause', 60)
      await io.logger.info('hello', { n: 1 })
    })
    const record = await still.store.get(runs, summary.id)
    const lines = record?.journal?.flat().filter(({ kind }) => kind === 'log') ?? []
    assert.equal(lines.length, 4)
    assert.equal(new Set(lines.map(({ path }) => path)).size, 4)
    assert.deepEqual(steps(summary), ['pause succeeded'])
  })
})

describe('ctx', () => {
  it('tells run, job, event, account and environment, the same on every pass', async () => {
    const seen: string[] = []
    const summary = await run(async (io, context) => {
      const { signal, ...facts } = context
      assert.equal(signal.aborted, false)
      seen.push(JSON.stringify({ ...facts, startedAt: context.run.startedAt.toISOString() }))
      await io.wait('pause', 60)
    })
    assert.equal(seen.length, 2)
    assert.equal(seen[0], seen[1])
    const facts = JSON.parse(seen[0] ?? '') as {
      run: { id: string }
      account: { id: string }
      event: { name: string }
    }
    assert.equal(facts.run.id, summary.id)
    assert.equal(facts.account.id, 'ada')
    assert.equal(facts.event.name, summary.job)
  })
})

describe('what is stored', () => {
  it('holds no payload, output, error text or log line in the clear', async () => {
    const secret = 'tangerine-4711'
    const summary = await run(async (io) => {
      await io.runTask('keeps', () => ({ value: secret }))
      await io.logger.info(secret, { secret })
      await io.runTask('fails', () => fail(secret)).catch(() => undefined)
      throw new Error(secret)
    }, 'failed')
    const record = await still.store.get(runs, summary.id)
    assert.ok(!JSON.stringify(record).includes(secret))
    assert.equal(summary.error?.message, secret, 'whoever may see the run may see its error')
  })
})

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ErrorCode } from '../../shared/errors.ts'
import { aroundStore } from '../connect/fixtures/around-store.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { reaches, until } from './fixtures/engine-fixture.ts'
import { openScene, type OutsideScene } from './fixtures/outside-scene.ts'
import type { IO } from './job.ts'
import type { InvokeItem } from './outside-io.ts'
import { places, runs, type RunDocument } from './records.ts'

for (const backend of backends) {
  describe(`runs that invoke runs, on ${backend.name}`, { skip: backend.skip }, () => {
    let scene: OutsideScene
    /** What the children were called with, and as whom. */
    const calls: unknown[] = []
    /** The process can't tell parents just now. */
    let isMute = false

    beforeEach(async () => {
      calls.length = 0
      isMute = false
      scene = await openScene(backend, {
        // One slot: a parent that held it while it waits would wait for ever.
        concurrency: 1,
        aroundStore: (store) =>
          aroundStore(store, {
            update: (...[set, id, match, change]) =>
              isMute && change.increment !== undefined && 'signalSeq' in change.increment
                ? Promise.reject(new Error('cut off'))
                : store.update(set, id, match, change),
          }),
      })
      scene.job('double', (_, context, payload) => {
        calls.push([payload, context.account?.id, context.event.context])
        if (typeof payload !== 'number') throw new Error('no number')
        return payload * 2
      })
      scene.job('sleeper', async (io) => void (await io.wait('long', 3600)))
    })
    afterEach(() => scene.close())

    const childrenOf = async (parent: string): Promise<RunDocument[]> => {
      const { items } = await scene.fixture.store.list(runs, { index: 'all', equals: 'run', limit: 100 })
      return items.filter((run) => run.parent?.run === parent)
    }

    const childOf = (parent: string): Promise<RunDocument> =>
      until('the child is there', async () => (await childrenOf(parent))[0])

    const sleeps = (id: string): Promise<RunDocument> =>
      until('the run sleeps', async () => {
        const run = await scene.record(id)
        return run.state === 'waiting' ? run : undefined
      })

    const over = (id: string, state: 'succeeded' | 'failed' | 'cancelled' = 'succeeded') =>
      reaches(scene.fixture.engine, id, state)

    it('waits for the end of another run without holding a slot, and gets its output', async () => {
      const seen: unknown[] = []
      const id = await scene.runs(
        async (io) => {
          seen.push(await io.invokeAndWait('ask', 'double', 4, { context: 'why' }))
          await io.wait('nap', 0.2)
        },
        { accountId: 'ada' },
      )
      const child = await childOf(id)
      const result = { ok: true, run: { id: child.id }, output: 8 }
      assert.deepEqual(seen.slice(-2), [result, result])
      assert.deepEqual(calls, [[4, 'ada', 'why']])
      assert.deepEqual(child.parent, { run: id, awaited: true, chain: ['job-1'], waits: 1 })
      await until('nothing is left to do', async () =>
        (await scene.record(child.id)).place === undefined ? true : undefined,
      )
      const { tasks } = await scene.fixture.engine.getRun(id)
      assert.deepEqual(
        tasks.map(({ key, kind, state }) => [key, kind, state]),
        [
          ['ask', 'invoke', 'succeeded'],
          ['nap', 'wait', 'succeeded'],
        ],
      )
    })

    it('gives failures, cancellations and late ends as results', async () => {
      const seen: unknown[] = []
      const id = await scene.begin(async (io) => {
        seen.push(await io.invokeAndWait('fails', 'double', 'x'))
        seen.push(await io.invokeAndWait('late', 'sleeper', null, { timeoutInSeconds: 0.2 }))
        seen.push(await io.invokeAndWait('cancelled', 'sleeper', null))
      })
      await until('three children', async () => ((await childrenOf(id)).length === 3 ? true : undefined))
      await sleeps(id)
      const [last, late] = await childrenOf(id).then((all) =>
        all
          .filter(({ job }) => job === 'sleeper')
          .toSorted((left, right) => right.createdAt - left.createdAt),
      )
      // One that is late goes on.
      await sleeps(late?.id ?? '')
      await scene.fixture.engine.cancelRun(last?.id ?? '')
      await over(id)
      assert.deepEqual(
        seen.slice(-3).map((result) => JSON.parse(JSON.stringify(result)).error),
        [
          { code: 'run_failed', message: 'no number' },
          { code: 'wait_timeout', message: 'The run of job sleeper was not over in time; it goes on.' },
          { code: 'run_cancelled', message: 'The run of job sleeper was cancelled.' },
        ],
      )
    })

    it('starts runs without waiting, once over all replays, with another account and a key', async () => {
      const seen: unknown[] = []
      const id = await scene.runs(
        async (io) => {
          const own = await io.invoke('own', 'double', 1)
          const other = await io.invoke('other', 'double', 2, { accountId: 'bob', idempotencyKey: 'k' })
          const again = await io.invoke('again', 'double', 2, { accountId: 'bob', idempotencyKey: 'k' })
          seen.push([own.id, other.id, again.id === other.id])
          await io.wait('nap', 0.2)
        },
        { accountId: 'ada' },
      )
      assert.deepEqual(seen[0], seen.at(-1))
      const children = await until('the children are over', async () => {
        const all = await childrenOf(id)
        return all.every(({ state }) => state === 'succeeded') ? all : undefined
      })
      assert.equal(children.length, 2)
      assert.deepEqual(calls.toSorted(), [
        [1, 'ada', null],
        [2, 'bob', null],
      ])
      const outside = await scene.fixture.engine.invoke('double', 2, {
        accountId: 'bob',
        idempotencyKey: 'k',
      })
      assert.ok(children.some((child) => child.id === outside.id))
    })

    it('starts batches and waits for batches, in order, each result by itself', async () => {
      const seen: unknown[] = []
      const id = await scene.runs(async (io) => {
        const items: InvokeItem[] = [{ payload: 1 }, { payload: 'x' }, { payload: 3, accountId: 'bob' }]
        const results = await io.batchInvokeAndWait('all', 'double', items)
        seen.push(results.map((result) => (result.ok ? result.output : result.error.code)))
        seen.push((await io.batchInvoke('more', 'double', items)).length)
        seen.push(await io.batchInvokeAndWait('none', 'double', []), await io.batchInvoke('no', 'double', []))
      })
      assert.deepEqual(seen.slice(-4), [[2, 'run_failed', 6], 3, [], []])
      const children = await until('all are over', async () => {
        const all = await childrenOf(id)
        return all.every(({ endedAt }) => endedAt !== undefined) ? all : undefined
      })
      assert.equal(children.length, 6)
      const items = [{ payload: 7 }, { payload: 8, idempotencyKey: 'once' }]
      const outside = await scene.fixture.engine.batchInvoke('double', items)
      const again = await scene.fixture.engine.batchInvoke('double', items)
      assert.equal(outside[1]?.id, again[1]?.id)
      assert.notEqual(outside[0]?.id, again[0]?.id)
      await assert.rejects(scene.fixture.engine.batchInvoke('nothing', items), { code: 'unknown_job' })
    })

    it('refuses a job that would wait for itself, and names the chain', async () => {
      const refusals: unknown[] = []
      scene.job('outer', async (io) => void (await io.invokeAndWait('go', 'inner', null)))
      scene.job('inner', async (io) => {
        const refused = io.invokeAndWait('back', 'outer', null)
        await refused.catch((error: unknown) => refusals.push(String(error)))
        // Nobody waits: it is no cycle.
        await io.invoke('on', 'double', 1)
      })
      const { id } = await scene.fixture.engine.invoke('outer', null)
      await over(id)
      assert.match(String(refusals.at(-1)), /outer → inner → outer/)
    })

    it('refuses to go deeper than twenty runs, and names the chain', async () => {
      const refusals: unknown[] = []
      scene.job('deeper', async (io, _, depth) => {
        const next = typeof depth === 'number' ? depth + 1 : 1
        await io.invoke('next', 'deeper', next).catch((error: unknown) => refusals.push([depth, error]))
      })
      await scene.fixture.engine.invoke('deeper', 0)
      await until('it stops', () => (refusals.length > 0 ? true : undefined))
      const [[depth, error] = []] = refusals as [unknown, unknown][]
      assert.equal(depth, 20)
      assert.match(String(error), /20 deep: deeper → deeper/)
    })

    it('cancels the children it waits for, or those it is told to, when it is cancelled', async () => {
      const id = await scene.begin(async (io) => {
        await io.invoke('kept', 'sleeper', null)
        await io.invoke('taken', 'sleeper', null, { cancelWithParent: true })
        const left = io.invokeAndWait('left', 'sleeper', null, { cancelWithParent: false })
        await Promise.all([left, io.invokeAndWait('waited', 'sleeper', null)])
      })
      await until('four children sleep', async () => {
        const all = await childrenOf(id)
        return all.filter(({ state }) => state === 'waiting').length === 4 ? true : undefined
      })
      await sleeps(id)
      const { journal = [] } = await scene.record(id)
      const childAt = (path: string): string =>
        journal.flat().find((entry) => entry.path === path)?.children?.[0] ?? ''
      await scene.fixture.engine.cancelRun(id)
      for (const key of ['taken', 'waited']) await over(childAt(key), 'cancelled')
      for (const key of ['kept', 'left']) assert.equal((await scene.record(childAt(key))).state, 'waiting')
      assert.equal((await scene.record(id)).place, undefined)
    })

    it('is told by the sweep where the process of the child died before it told', async () => {
      let letGo = (): void => undefined
      const gate = new Promise<void>((resolve) => (letGo = resolve))
      scene.job('held', async (io) => io.runTask('hold', () => gate.then(() => 5)))
      const seen: unknown[] = []
      const id = await scene.begin(async (io) => {
        const result = await io.invokeAndWait('ask', 'held', null)
        seen.push(result.ok && result.output)
      })
      await sleeps(id)
      const child = await childOf(id)
      isMute = true
      letGo()
      await over(child.id)
      assert.equal((await scene.record(child.id)).place, places.ending)
      assert.equal((await scene.record(id)).state, 'waiting')
      isMute = false
      scene.advance(6000)
      await scene.fixture.engine.sweep()
      await over(id)
      assert.deepEqual(seen, [5])
    })

    it('waits across processes', async () => {
      const other = await scene.open()
      scene.job('elsewhere', () => 'from afar', other)
      await other.engine.start()
      // The run may be there before this process has learnt of the job.
      const seen: unknown[] = []
      await scene.runs(async (io) => {
        const result = await io.invokeAndWait('ask', 'elsewhere', null)
        seen.push(result.ok && result.output)
      })
      assert.equal(seen.at(-1), 'from afar')
    })

    it('keeps a refusal on replay, and tries anew when the run is resumed', async () => {
      const seen: unknown[] = []
      const id = await scene.begin(async (io) => {
        const refused = io.invokeAndWait('ask', 'nobody', 1)
        seen.push(await refused.catch((error: unknown) => (error instanceof Error ? error.message : '')))
        await io.wait('nap', 0.2)
        return (await io.invokeAndWait('really', 'nobody', 2)).ok
      })
      await until('it has looked for the job long enough', async () => {
        scene.advance(500)
        return (await scene.record(id)).state === 'failed' ? true : undefined
      })
      assert.equal((await over(id, 'failed')).error?.code, 'unknown_job')
      scene.job('nobody', (_, __, payload) => payload)
      await scene.fixture.engine.resumeRun(id)
      await over(id)
      assert.equal(new Set(seen).size, 1)
      assert.equal((await childrenOf(id)).length, 1)
    })

    const wrong: readonly (readonly [string, ErrorCode, (io: IO) => Promise<unknown>])[] = [
      [
        'a key that was used',
        'duplicate_task_key',
        async (io) => {
          await io.invoke('key', 'double', 1)
          await io.invokeAndWait('key', 'double', 1)
        },
      ],
      ['a batch that is none', 'invalid_input', (io) => io.batchInvoke('key', 'double', JSON.parse('{}'))],
      ['items that are none', 'invalid_input', (io) => io.batchInvoke('key', 'double', JSON.parse('[1]'))],
      [
        'a payload that is too large',
        'event_too_large',
        (io) => io.invoke('key', 'double', 'x'.repeat(300_000)),
      ],
      [
        'a batch that is too long',
        'invalid_input',
        (io) =>
          io.batchInvokeAndWait(
            'key',
            'double',
            Array.from({ length: 1001 }, () => ({ payload: 1 })),
          ),
      ],
    ]
    for (const [what, code, work] of wrong) {
      it(`refuses ${what}`, async () => {
        const id = await scene.begin(async (io) => void (await work(io)))
        assert.equal((await over(id, 'failed')).error?.code, code)
      })
    }

    it('refuses another payload or job on replay', async () => {
      let payload = 1
      const ids = await Promise.all(
        [0, 1].map(() =>
          scene.begin(async (io) => {
            await io.invoke('ask', 'double', payload)
            await io.wait('nap', 0.3)
          }),
        ),
      )
      for (const id of ids) await sleeps(id)
      payload = 2
      for (const id of ids) assert.equal((await over(id, 'failed')).error?.code, 'replay_mismatch')
    })
  })
}

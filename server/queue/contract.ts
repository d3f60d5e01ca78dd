// What every queue must do, whatever it is made of. An adapter's test opens two queues on one backend and calls this.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ClaimedWakeup, JobVersion, Queue, Wakeup } from './queue.ts'

/** Two queues on one backend of their own, as two processes would have them. */
export interface QueuePair {
  readonly first: Queue
  readonly second: Queue
  /** The backend's clock in ms. */
  now(): number
  /** Closes both and removes the backend. */
  close(): Promise<void>
}

const job = { job: 'a', version: '1.0.0' } as const
const other = { job: 'b', version: '1.0.0' } as const
/** What a queue may take to tell another process. */
const noticeMs = 3000

/** Registers the suite under the given name. */
export function describeQueue(name: string, open: () => Promise<QueuePair>): void {
  describe(`${name}: a queue`, () => {
    let pair: QueuePair

    beforeEach(async () => {
      pair = await open()
    })

    afterEach(async () => pair.close())

    const hint = (runId: string, more: Partial<Wakeup> = {}): Wakeup => ({
      ...job,
      runId,
      dueAt: pair.now() - 1,
      ...more,
    })
    const runIds = (claimed: readonly ClaimedWakeup[]): string[] =>
      claimed.map(({ runId }) => runId).toSorted()

    it('hands out what is due, with all it was given', async () => {
      const wakeup = hint('run_1')
      await pair.first.add([wakeup])
      const [claimed] = await pair.first.claim([job], 10)
      assert.ok(claimed)
      const { id, ...rest } = claimed
      assert.ok(id.length > 0)
      assert.deepEqual(rest, { ...wakeup, postponements: 0 })
    })

    it('keeps what is not due, and calls back when it is', async () => {
      const ready = nextReady(pair.first)
      await pair.first.add([hint('later', { dueAt: pair.now() + 150 })])
      assert.deepEqual(await pair.first.claim([job], 10), [])
      await ready
      await eventually(async () => assert.deepEqual(runIds(await pair.first.claim([job], 10)), ['later']))
    })

    it('does not let what is due later hide what is due now', async () => {
      const later = Array.from({ length: 100 }, (_, index) =>
        hint(`later ${index}`, { dueAt: pair.now() + 60_000 }),
      )
      const due = Array.from({ length: 20 }, (_, index) => hint(`now ${index}`))
      await pair.first.add([...later, ...due])
      assert.deepEqual(runIds(await claimAll(pair.first, [job], 7)), due.map(({ runId }) => runId).toSorted())
    })

    it('takes the same run and time twice for one hint, and another time for another', async () => {
      const wakeup = hint('twice')
      await Promise.all([pair.first.add([wakeup, wakeup]), pair.second.add([wakeup])])
      await pair.first.add([{ ...wakeup, dueAt: wakeup.dueAt - 5 }])
      assert.equal((await claimAll(pair.first, [job], 10)).length, 2)
    })

    it('hands out only what is asked for', async () => {
      const newer = { job: 'a', version: '1.0.1' } as const
      await pair.first.add([hint('mine'), hint('other job', other), hint('other version', newer)])
      assert.deepEqual(runIds(await pair.first.claim([job], 10)), ['mine'])
      assert.deepEqual(runIds(await pair.first.claim([other, newer], 10)), ['other job', 'other version'])
      assert.deepEqual(await pair.first.claim([], 10), [])
    })

    it('hands out at most the limit, and nothing twice before it is settled', async () => {
      await pair.first.add(Array.from({ length: 30 }, (_, index) => hint(`run ${index}`)))
      const pages = [
        await pair.first.claim([job], 12),
        await pair.first.claim([job], 12),
        await pair.first.claim([job], 12),
      ]
      assert.deepEqual(
        pages.map((page) => page.length),
        [12, 12, 6],
      )
      assert.equal(new Set(pages.flat().map(({ runId }) => runId)).size, 30)
      assert.deepEqual(await pair.first.claim([job], 12), [])
    })

    it('lets no job keep another one waiting', async () => {
      await pair.first.add(Array.from({ length: 50 }, (_, index) => hint(`a ${index}`)))
      await pair.first.add([hint('b', other)])
      const seen: string[] = []
      for (let round = 0; round < 4; round += 1) seen.push(...runIds(await pair.first.claim([job, other], 5)))
      assert.ok(seen.includes('b'))
    })

    it('forgets what is settled', async () => {
      await pair.first.add([hint('done')])
      const [claimed] = await pair.first.claim([job], 10)
      assert.ok(claimed)
      await pair.first.settle(claimed)
      await pair.first.settle(claimed)
      assert.deepEqual(await pair.first.claim([job], 10), [])
      assert.deepEqual(await pair.second.claim([job], 10), [])
    })

    it('takes back what nobody will ask for, and nothing else', async () => {
      const gone = [hint('gone'), hint('gone later', { dueAt: pair.now() + 60_000 })]
      await pair.first.add([...gone, hint('kept'), hint('gone', other)])
      for (const one of [...gone, hint('never there')]) await pair.second.forget(one)
      const left = await claimAll(pair.first, [job, other], 10)
      assert.deepEqual(runIds(left), ['gone', 'kept'])
      for (const claimed of left) await pair.first.settle(claimed)
      assert.equal(await pair.first.size([job, other]), 0)
    })

    it('hands out what was postponed once more, and counts', async () => {
      await pair.first.add([hint('later')])
      const [claimed] = await pair.first.claim([job], 10)
      assert.ok(claimed)
      await pair.first.postpone(claimed, pair.now() + 100)
      assert.deepEqual(await pair.first.claim([job], 10), [])
      await eventually(async () => {
        const [again] = await pair.first.claim([job], 10)
        assert.deepEqual([again?.runId, again?.postponements], ['later', 1])
      })
    })

    it('tells how many hints it has, due and to come', async () => {
      const jobs = [job, other]
      assert.equal(await pair.first.size(jobs), 0)
      await pair.first.add([hint('now'), hint('later', { dueAt: pair.now() + 60_000 }), hint('other', other)])
      for (const queue of [pair.first, pair.second]) assert.equal(await queue.size(jobs), 3)
      for (const claimed of await claimAll(pair.first, jobs, 10)) await pair.first.settle(claimed)
      assert.equal(await pair.second.size(jobs), 1)
    })

    it('keeps its hints over a close', async () => {
      await pair.first.add([hint('kept')])
      await pair.first.close()
      await pair.first.close()
      await eventually(async () => assert.deepEqual(runIds(await pair.second.claim([job], 10)), ['kept']))
      await assert.rejects(pair.first.claim([job], 10), { code: 'closed' })
      await assert.rejects(pair.first.add([hint('x')]), { code: 'closed' })
    })

    it('calls back at once for what was added here, and no more once told to stop', async () => {
      let calls = 0
      const stop = pair.first.onReady(() => void (calls += 1))
      await pair.first.add([hint('here')])
      assert.ok(calls > 0)
      stop()
      const before = calls
      await pair.first.add([hint('more')])
      assert.equal(calls, before)
    })

    it('calls back soon for what another process added', async () => {
      const ready = nextReady(pair.second)
      await pair.first.add([hint('there')])
      await ready
      await eventually(async () => assert.deepEqual(runIds(await pair.second.claim([job], 10)), ['there']))
    })

    it('brings every hint to somebody when two workers claim at once', async () => {
      const all = Array.from({ length: 200 }, (_, index) => hint(`run ${index}`))
      await pair.first.add(all)
      const seen = new Set<string>()
      const work = async (queue: Queue): Promise<void> => {
        for (;;) {
          const claimed = await queue.claim([job], 10)
          if (claimed.length === 0) return
          for (const wakeup of claimed) {
            seen.add(wakeup.runId)
            await queue.settle(wakeup)
          }
        }
      }
      await Promise.all([work(pair.first), work(pair.second)])
      assert.equal(seen.size, 200)
    })
  })
}

async function claimAll(queue: Queue, jobs: readonly JobVersion[], limit: number): Promise<ClaimedWakeup[]> {
  const all: ClaimedWakeup[] = []
  for (;;) {
    const page = await queue.claim(jobs, limit)
    if (page.length === 0) return all
    all.push(...page)
  }
}

function nextReady(queue: Queue): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no call within ${noticeMs} ms`)), noticeMs)
    const stop = queue.onReady(() => {
      clearTimeout(timer)
      stop()
      resolve()
    })
  })
}

/** Repeats the check until it passes: a call back says that there may be something, not that there is. */
async function eventually(check: () => Promise<void>): Promise<void> {
  const end = performance.now() + noticeMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

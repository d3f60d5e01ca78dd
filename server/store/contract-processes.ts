// Contract: several processes on one backend, one of them killed in the middle of writing.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { notes, others, startWorker } from './contract-fixtures.ts'
import type { Backend, OpenBackend, Worker } from './contract-fixtures.ts'
import type { Store } from './store.ts'

/** Declares the cases. */
export function processCases(openBackend: OpenBackend): void {
  describe('processes', () => {
    it('start, count and claim together, and lose nothing when one is killed', async () => {
      const backend = await openBackend()
      try {
        await migrateAtOnce(backend)
        const store = await backend.open()
        try {
          await store.migrate([notes, others], 'test')
          await countTogether(backend, store)
          await killOne(backend, store)
        } finally {
          await store.close()
        }
      } finally {
        await backend.cleanup()
      }
    })
  })
}

async function migrateAtOnce(backend: Backend): Promise<void> {
  const workers = [1, 2].map(() => startWorker(backend.url, 'claim', '100'))
  assert.deepEqual(await Promise.all(workers.map((worker) => worker.exited)), [0, 0])
  const claimed = workers.flatMap((worker) => worker.lines).sort()
  const names = Array.from({ length: 100 }, (_, at) => `claim-${at}`).sort()
  assert.deepEqual(claimed, names)
}

async function countTogether(backend: Backend, store: Store): Promise<void> {
  await store.insert(notes, { id: 'counter' })
  const worker = startWorker(backend.url, 'count', '300')
  let raised = 0
  let done = false
  void worker.exited.then(() => (done = true))
  while (!done) {
    const raise = (): Promise<boolean> => store.update(notes, 'counter', {}, { increment: { count: 1 } })
    const results = await Promise.all(Array.from({ length: 5 }, raise))
    raised += results.filter(Boolean).length
    await sleep(5)
  }
  assert.equal(await worker.exited, 0)
  assert.equal(worker.lines.length, 300)
  assert.equal((await store.get(notes, 'counter'))?.count, 300 + raised)
}

async function killOne(backend: Backend, store: Store): Promise<void> {
  const workers: Worker[] = ['x', 'y'].map((name) => startWorker(backend.url, 'write', name))
  const deadline = performance.now() + 30_000
  while (workers.some((worker) => worker.lines.length < 100)) {
    assert.ok(performance.now() < deadline, 'the workers write')
    await sleep(5)
  }
  for (const worker of workers) worker.child.kill('SIGKILL')
  for (const worker of workers) assert.equal(await worker.exited, 'SIGKILL')
  const lines = workers.flatMap((worker) => worker.lines)
  for (let at = 0; at < lines.length; at += 500) {
    const ids = lines.slice(at, at + 500)
    const kept = await store.getMany(notes, ids)
    assert.equal(kept.length, ids.length, 'acknowledged writes are there')
    for (const note of kept) assert.equal(note.count, note.id.startsWith('pair-') ? undefined : 1)
  }
  const left = await store.range(notes, 'pair-', 'pair.', 1000)
  const right = await store.range(others, 'pair-', 'pair.', 1000)
  assert.deepEqual(
    left.map((note) => note.id),
    right.map((note) => note.id),
    'no half transactions',
  )
  assert.equal(await store.insert(notes, { id: 'afterwards' }), true)
}

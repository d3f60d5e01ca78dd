// Contract: several processes on one backend, killed in the middle of writing.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { notes, others, startWorker } from './contract-fixtures.ts'
import type { Backend, OpenBackend, Worker } from './contract-fixtures.ts'
import type { Store } from './store.ts'

/** Enough writes to be in the middle of them. */
const enoughPairs = 60

/** Declares the cases. */
export function processCases(openBackend: OpenBackend): void {
  describe('processes', () => {
    it('start, claim and count together, and lose nothing when they are killed', async () => {
      const backend = await openBackend()
      try {
        await runProcesses(backend)
      } finally {
        await backend.cleanup()
      }
    })
  })
}

async function runProcesses(backend: Backend): Promise<void> {
  const workers = ['x', 'y'].map((name) => startWorker(backend.url, name))
  const store = await backend.open()
  try {
    await store.migrate([notes, others], 'test')
    await store.insert(notes, { id: 'counter' })
    const raised = await countUntil(store, () =>
      workers.every((worker) => of(worker, 'paired').length > enoughPairs),
    )
    for (const worker of workers) worker.child.kill('SIGKILL')
    for (const worker of workers) assert.equal(await worker.exited, 'SIGKILL')
    const claims = workers.flatMap((worker) => of(worker, 'claimed'))
    assert.equal(claims.length, 100)
    assert.equal(new Set(claims).size, 100, 'each name was claimed once')
    assert.equal((await store.get(notes, 'counter'))?.count, 200 + raised)
    await checkKept(store, workers)
    assert.equal(await store.insert(notes, { id: 'afterwards' }), true)
  } finally {
    for (const worker of workers) worker.child.kill('SIGKILL')
    await store.close()
  }
}

/** Takes part in counting until the condition holds; how often it counted. */
async function countUntil(store: Store, holds: () => boolean): Promise<number> {
  const deadline = performance.now() + 60_000
  let raised = 0
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'the workers write')
    const raise = (): Promise<boolean> => store.update(notes, 'counter', {}, { increment: { count: 1 } })
    const results = await Promise.all(Array.from({ length: 5 }, raise))
    raised += results.filter(Boolean).length
    await sleep(10)
  }
  return raised
}

async function checkKept(store: Store, workers: readonly Worker[]): Promise<void> {
  for (const kind of ['wrote', 'paired']) {
    const ids = workers.flatMap((worker) => of(worker, kind))
    for (let at = 0; at < ids.length; at += 1000) {
      const part = ids.slice(at, at + 1000)
      const kept = await store.getMany(notes, part)
      assert.equal(kept.length, part.length, 'acknowledged writes are there')
      for (const note of kept) assert.equal(note.count, kind === 'wrote' ? 1 : undefined)
    }
  }
  const [left, right] = await Promise.all(
    [notes, others].map((set) => store.range(set, 'pair-', 'pair.', 1000)),
  )
  assert.deepEqual(
    left?.map((note) => note.id),
    right?.map((note) => note.id),
    'no half transactions',
  )
}

/** Ids of a worker's lines of one kind. */
function of(worker: Worker, kind: string): string[] {
  return worker.lines.flatMap((line) => (line.startsWith(`${kind} `) ? [line.slice(kind.length + 1)] : []))
}

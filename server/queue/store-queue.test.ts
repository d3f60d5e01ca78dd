import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { describeQueue, type QueuePair } from './contract.ts'
import { createStoreQueue, queueSets } from './store-queue.ts'

interface StorePair extends QueuePair {
  readonly store: Store
}

async function open(): Promise<StorePair> {
  const directory = mkdtempSync(join(tmpdir(), 'authflow-queue-'))
  const stores = [
    await openStore(`sqlite:${directory}/q.db`),
    await openStore(`sqlite:${directory}/q.db`),
  ] as const
  for (const store of stores) await store.migrate([...queueSets], 'test')
  const [first, second] = [createStoreQueue(stores[0]), createStoreQueue(stores[1])]
  return {
    first,
    second,
    store: stores[0],
    now: () => stores[0].now(),
    close: async () => {
      await Promise.all([first.close(), second.close()])
      for (const store of stores) await store.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

describeQueue('store queue on SQLite', open)

describe('createStoreQueue', () => {
  it('keeps its promised ids: job digest, partition, due time in hex, run', async () => {
    const pair = await open()
    try {
      await pair.first.add([{ job: 'a', version: '1.0.0', runId: 'run_xyz', dueAt: 0x1234 }])
      const [document] = await pair.store.range(queueSets[0], '0', 'g', 1)
      assert.match(document?.id ?? '', /^[0-9a-f]{8}0[0-9a-f]000000001234run_xyz$/)
    } finally {
      await pair.close()
    }
  })

  it('adds in the caller’s transaction: all of it or nothing', async () => {
    const pair = await open()
    try {
      const { inStore } = pair.first
      assert.ok(inStore)
      const hints = [{ job: 'a', version: '1.0.0', runId: 'run_1', dueAt: 1 }]
      assert.equal(await pair.store.transact([...inStore.steps(hints), ...inStore.steps(hints)]), false)
      assert.deepEqual(await pair.first.claim([{ job: 'a', version: '1.0.0' }], 5), [])
      assert.equal(await pair.store.transact(inStore.steps(hints)), true)
      let calls = 0
      pair.first.onReady(() => void (calls += 1))
      inStore.announce(hints)
      assert.equal(calls, 1)
      assert.equal((await pair.first.claim([{ job: 'a', version: '1.0.0' }], 5)).length, 1)
    } finally {
      await pair.close()
    }
  })

  it('tells other queues on the same store in this process at once', async () => {
    const pair = await open()
    try {
      const beside = createStoreQueue(pair.store)
      let calls = 0
      beside.onReady(() => void (calls += 1))
      await pair.first.add([{ job: 'a', version: '1.0.0', runId: 'run_1', dueAt: 1 }])
      assert.ok(calls > 0)
      await beside.close()
    } finally {
      await pair.close()
    }
  })
})

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { FlowHub } from './flow-hub.ts'

/** A store whose flows are all at version 1, read in the given time. */
function watchedStore(readMs: number) {
  const state = { reads: 0, reading: 0, mostAtOnce: 0, change: (): void => undefined }
  return {
    state,
    onChange: (listener: () => void) => {
      state.change = listener
      return () => undefined
    },
    getMany: async (_set: unknown, ids: readonly string[]): Promise<never> => {
      state.reads += 1
      state.reading += 1
      state.mostAtOnce = Math.max(state.mostAtOnce, state.reading)
      await delay(readMs)
      state.reading -= 1
      return ids.map((id) => ({ id, version: 1 })) as never
    },
  }
}

describe('FlowHub', () => {
  it('looks once at a time, however slow the store is, and then again', async () => {
    const store = watchedStore(350)
    const hub = new FlowHub(store)
    const waiting = hub.wait([{ id: 'a', version: 1 }], 20_000)
    for (let changes = 0; changes < 40; changes += 1) {
      store.state.change()
      await delay(25)
    }
    assert.equal(store.state.mostAtOnce, 1)
    assert.ok(store.state.reads >= 2, 'what changed during a look is looked at too')
    hub.close()
    await waiting
  })

  it('holds nobody up while thousands wait', async () => {
    const store = watchedStore(1)
    const hub = new FlowHub(store)
    const seen = (waiter: number) =>
      Array.from({ length: 20 }, (_, at) => ({ id: `${waiter}-${at}`, version: 1 }))
    const waiting = Array.from({ length: 2000 }, (_, waiter) => hub.wait(seen(waiter), 20_000))
    const stale = hub.wait([{ id: 'last', version: 0 }], 20_000)
    store.state.change()
    const before = process.cpuUsage()
    await stale
    const { user, system } = process.cpuUsage(before)
    assert.ok((user + system) / 1000 < 2_000, `a look took ${(user + system) / 1000} ms`)
    hub.close()
    await Promise.all(waiting)
  })
})

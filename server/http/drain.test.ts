import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Drain } from './drain.ts'

const untilAborted = (signal: AbortSignal): Promise<string> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve('answered')
    signal.addEventListener('abort', () => resolve('answered'))
  })

describe('Drain', () => {
  it('answers held polls when it begins, and later ones at once', async () => {
    const drain = new Drain()
    const held = [drain.hold(undefined, untilAborted), drain.hold(new AbortController().signal, untilAborted)]
    drain.begin()
    drain.begin()
    assert.deepEqual(await Promise.all(held), ['answered', 'answered'])
    assert.equal(await drain.hold(undefined, untilAborted), 'answered')
  })

  it('ends a poll when its caller leaves, that one only', async () => {
    const drain = new Drain()
    const caller = new AbortController()
    const left = drain.hold(caller.signal, untilAborted)
    let other = false
    const stays = drain.hold(undefined, untilAborted).then(() => (other = true))
    caller.abort()
    assert.equal(await left, 'answered')
    assert.equal(other, false)
    drain.begin()
    await stays
  })

  it('waits for what is under way, failures included', async () => {
    const drain = new Drain()
    const finish: (() => void)[] = []
    const work = () => new Promise<void>((resolve) => finish.push(resolve))
    const first = drain.run(work)
    const failing = drain.run(async () => {
      await work()
      throw new Error('failed')
    })
    let idle = false
    const waiting = drain.idle(5_000).then((result) => {
      idle = true
      return result
    })
    finish[0]?.()
    await first
    assert.equal(idle, false)
    finish[1]?.()
    await assert.rejects(failing, /failed/)
    assert.equal(await waiting, true)
    assert.equal(await drain.idle(0), true)
  })

  it('gives up at the deadline and says so', async () => {
    const drain = new Drain()
    let finish = (): void => undefined
    const work = drain.run(() => new Promise<void>((resolve) => (finish = resolve)))
    assert.equal(await drain.idle(10), false)
    finish()
    await work
  })
})

import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
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

  it('waits until every response was handed over or given up', async () => {
    const drain = new Drain()
    const responses = [response(), response()]
    for (const one of responses) drain.track(one)
    let idle = false
    const waiting = drain.idle(5_000).then((result) => {
      idle = true
      return result
    })
    responses[0]?.emit('close')
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(idle, false)
    responses[1]?.emit('close')
    assert.equal(await waiting, true)
    assert.equal(await drain.idle(0), true)
  })

  it('does not wait for a caller who left before', async () => {
    const drain = new Drain()
    const left = response()
    left.destroy()
    drain.track(left)
    assert.equal(await drain.idle(0), true)
  })

  it('gives up at the deadline and says so', async () => {
    const drain = new Drain()
    drain.track(response())
    assert.equal(await drain.idle(10), false)
  })
})

const response = (): ServerResponse => new ServerResponse(new IncomingMessage(new Socket()))

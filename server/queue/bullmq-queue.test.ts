import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { randomText } from '../../shared/ids.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { openBullmqQueue } from './bullmq-queue.ts'
import { describeQueue, type QueuePair } from './contract.ts'
import { quietLog, redisUrl, removeKeys } from './fixtures/redis.ts'
import { noRedisServer, startRedisServer, type RedisServer } from './fixtures/redis-server.ts'
import type { Queue } from './queue.ts'
import { readQueueOption, type QueueOption } from './redis-options.ts'

const skip = redisUrl === undefined ? 'TEST_REDIS_URL is not set' : false
const job = { job: 'a', version: '1.0.0' } as const
const now = (): number => Date.now()

function openAt(option: QueueOption | undefined, environment: string, clock = now): Promise<Queue> {
  const target = readQueueOption(option)
  assert.ok(target)
  return openBullmqQueue({ target, environment, now: clock, log: quietLog })
}

async function openPair(option: QueueOption | undefined, cleanUp?: () => Promise<void>): Promise<QueuePair> {
  const environment = `test-${randomText(8)}`
  const [first, second] = [await openAt(option, environment), await openAt(option, environment)]
  return {
    first,
    second,
    now,
    close: async () => {
      await Promise.all([first.close(), second.close()])
      await (cleanUp ? cleanUp() : removeKeys(`authflow:${environment}:*`))
    },
  }
}

const hint = (
  runId: string,
  dueAt = now() - 1,
): { runId: string; job: string; version: string; dueAt: number } => ({
  ...job,
  runId,
  dueAt,
})

const claimAtLast = (queue: Queue, ms = 5000): Promise<string> =>
  until('a hint is given out', async () => (await queue.claim([job], 1))[0]?.runId, ms)

describe('openBullmqQueue', { skip }, () => {
  describeQueue('BullMQ on Redis', () => openPair(redisUrl))

  it('takes what is due within five minutes, and leaves the rest to the store', async () => {
    const environment = `test-${randomText(8)}`
    const redis = new Redis(redisUrl ?? '')
    const queue = await openAt(redisUrl, environment)
    try {
      await queue.add([hint('soon', now() + 290_000), hint('later', now() + 310_000)])
      const held = await redis.zrange(`authflow:${environment}:{a@1.0.0}:delayed`, '0', '-1')
      assert.deepEqual(
        held.map((id) => id.replace(/-\d+$/, '')),
        ['soon'],
      )
    } finally {
      await queue.close()
      await redis.quit()
      await removeKeys(`authflow:${environment}:*`)
    }
  })

  it('leaves nothing of a hint in Redis that was handed out', async () => {
    const environment = `test-${randomText(8)}`
    const redis = new Redis(redisUrl ?? '')
    const queue = await openAt(redisUrl, environment)
    try {
      await queue.add(Array.from({ length: 20 }, (_, index) => hint(`run ${index}`)))
      assert.equal((await queue.claim([job], 30)).length, 20)
      const keys = await redis.keys(`authflow:${environment}:{a@1.0.0}:*`)
      const left = keys.map((key) => key.slice(key.lastIndexOf(':') + 1)).toSorted()
      assert.deepEqual(
        left,
        ['events', 'id', 'marker', 'meta', 'stalled-check'].filter((key) => left.includes(key)),
      )
    } finally {
      await queue.close()
      await redis.quit()
      await removeKeys(`authflow:${environment}:*`)
    }
  })

  it('gives out nothing before its time, whichever clock goes wrong', async () => {
    const environment = `test-${randomText(8)}`
    // The store's clock is behind this machine's, by which BullMQ goes.
    let behindMs = 60_000
    const queue = await openAt(redisUrl, environment, () => now() - behindMs)
    const other = await openAt(redisUrl, environment)
    try {
      await other.add([hint('early', now() - 30_000)])
      assert.deepEqual(await queue.claim([job], 10), [])
      assert.deepEqual(await other.claim([job], 10), [], 'it is kept, not put back')
      behindMs = 0
      assert.equal(await claimAtLast(queue), 'early')
    } finally {
      await Promise.all([queue.close(), other.close()])
      await removeKeys(`authflow:${environment}:*`)
    }
  })

  it('puts back at its close what it kept until its time', async () => {
    const environment = `test-${randomText(8)}`
    let behindMs = 60_000
    const queue = await openAt(redisUrl, environment, () => now() - behindMs)
    const other = await openAt(redisUrl, environment)
    try {
      await other.add([hint('early')])
      assert.deepEqual(await queue.claim([job], 10), [])
      behindMs = 0
      await queue.close()
      assert.equal(await claimAtLast(other), 'early')
    } finally {
      await Promise.all([queue.close(), other.close()])
      await removeKeys(`authflow:${environment}:*`)
    }
  })

  it('gives out a late hint that a clock which is behind keeps back', async () => {
    const environment = `test-${randomText(8)}`
    const queue = await openAt(redisUrl, environment)
    try {
      // As a machine would add it whose clock is two minutes behind the store's.
      const skewed = await openAt(redisUrl, environment, () => now() - 120_000)
      const late = hint('late', now() - 20_000)
      await skewed.add([late])
      await skewed.close()
      assert.deepEqual(await queue.claim([job], 10), [])
      await queue.add([late])
      assert.equal((await queue.claim([job], 10)).length, 1)
    } finally {
      await queue.close()
      await removeKeys(`authflow:${environment}:*`)
    }
  })
})

describe('a queue whose Redis is away', { skip: noRedisServer }, () => {
  let redis: RedisServer
  let queue: Queue

  beforeEach(async () => {
    redis = await startRedisServer()
    queue = await openAt(redis.url, 'test')
  })

  afterEach(async () => {
    await queue.close()
    await redis.close()
  })

  it('takes hints all the same, gives them to its own worker, and says that it is away', async () => {
    assert.ok(queue.beside?.epoch)
    await redis.kill()
    await until('it notices', () => (queue.beside?.epoch === undefined ? true : undefined))
    let calls = 0
    queue.onReady(() => void (calls += 1))
    await queue.add([hint('here')])
    assert.ok(calls > 0)
    assert.deepEqual(
      (await queue.claim([job], 10)).map(({ runId }) => runId),
      ['here'],
    )
    assert.deepEqual(await queue.claim([job], 10), [])
  })

  it('hands over what it kept once Redis is back, under another epoch', async () => {
    const before = queue.beside?.epoch
    await redis.kill()
    await queue.add([hint('kept'), hint('far', now() + 400_000)])
    const other = openAt(redis.url, 'test')
    await redis.start()
    const beside = await other
    try {
      assert.equal(await claimAtLast(beside, 10_000), 'kept')
      await until('it is back', () => queue.beside?.epoch, 10_000)
      assert.notEqual(queue.beside?.epoch, before)
      assert.equal(queue.beside?.epoch, beside.beside?.epoch)
    } finally {
      await beside.close()
    }
  })

  it('has another epoch after FLUSHALL', async () => {
    const before = queue.beside?.epoch
    const client = new Redis(redis.url)
    await client.flushall()
    await client.quit()
    await until('the epoch is another', () => {
      const { epoch } = queue.beside ?? {}
      return epoch !== undefined && epoch !== before ? true : undefined
    })
    await queue.add([hint('fresh')])
    assert.equal(await claimAtLast(queue), 'fresh')
  })

  it('opens without Redis, and joins it when it comes', async () => {
    await redis.kill()
    const late = await openAt(redis.url, 'test')
    try {
      assert.equal(late.beside?.epoch, undefined)
      await late.add([hint('first')])
      await redis.start()
      await until('it joins', () => late.beside?.epoch, 10_000)
      assert.equal(await claimAtLast(late), 'first')
    } finally {
      await late.close()
    }
  })

  it('puts hints back that a dead process had in its hands', async () => {
    const client = new Redis(redis.url)
    try {
      await queue.add([hint('lost')])
      // What is left of a process that died between the two steps of a claim.
      const [wait, active] = ['wait', 'active'].map((list) => `authflow:test:{a@1.0.0}:${list}`)
      await client.rpoplpush(wait ?? '', active ?? '')
      assert.deepEqual(await queue.claim([job], 10), [])
      assert.equal(await claimAtLast(queue, 40_000), 'lost')
    } finally {
      await client.quit()
    }
  })

  it('closes while Redis is away', async () => {
    await redis.kill()
    await queue.close()
    await assert.rejects(queue.add([hint('x')]), { code: 'closed' })
  })

  it('is kept out by a wrong password, and lets nobody wait for that', async () => {
    const locked = await startRedisServer(['--requirepass', 'right'])
    const wrong = await openAt(`redis://:wrong@127.0.0.1:${locked.port}`, 'test')
    const right = await openAt(`redis://:right@127.0.0.1:${locked.port}`, 'test')
    try {
      await wrong.add([hint('x')])
      assert.equal(wrong.beside?.epoch, undefined)
      assert.ok(right.beside?.epoch)
    } finally {
      await Promise.all([wrong.close(), right.close()])
      await locked.close()
    }
  })
})

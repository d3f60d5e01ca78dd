import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { openBullmqQueue } from './bullmq-queue.ts'
import { describeQueue, type QueuePair } from './contract.ts'
import { quietLog, redisUrl, removeKeys } from './fixtures/redis.ts'
import { readQueueOption } from './redis-options.ts'

const skip = redisUrl === undefined ? 'TEST_REDIS_URL is not set' : false

async function open(): Promise<QueuePair> {
  const target = readQueueOption(redisUrl)
  assert.ok(target)
  const environment = `test-${randomText(8)}`
  const now = (): number => Date.now()
  const options = { target, environment, now, log: quietLog }
  const [first, second] = [await openBullmqQueue(options), await openBullmqQueue(options)]
  return {
    first,
    second,
    now,
    close: async () => {
      await Promise.all([first.close(), second.close()])
      await removeKeys(`authflow:${environment}:*`)
    },
  }
}

describe('openBullmqQueue', { skip }, () => {
  describeQueue('BullMQ on Redis', open)
})

// BullMQ's empty jobs: adds `count` jobs one by one, 50 at once, and works them in the same process, 50 at once.

import { Queue, Worker } from 'bullmq'

const count = Number(process.argv[2])
const url = new URL(process.argv[3] ?? 'redis://127.0.0.1:6379')
const connection = { host: url.hostname, port: Number(url.port || 6379) }
const name = `bench-${process.pid}`
const concurrency = 50

const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } })
const worker = new Worker(name, async () => ({ ok: true }), { connection, concurrency })
await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])

const payload = { text: 'x'.repeat(250) }
let done = 0
const finished = new Promise<void>((resolve) => {
  worker.on('completed', () => {
    done += 1
    if (done === count) resolve()
  })
})
const started = performance.now()
let left = count
const add = async (): Promise<void> => {
  while (left > 0) {
    left -= 1
    await queue.add('bench', payload)
  }
}
await Promise.all(Array.from({ length: concurrency }, add))
await finished
const seconds = (performance.now() - started) / 1000
console.log(JSON.stringify({ perSecond: count / seconds }))
await worker.close()
await queue.obliterate({ force: true })
await queue.close()

// graphile-worker's empty jobs: adds `count` jobs one by one, 50 at once, and works them in the same process, 50 at once.
// `graphile.js COUNT URL`; the package is that of bench/peers. It fetches jobs in batches and completes them together, as
// its documentation advises for speed; the others wait for each job by itself.

import { createRequire } from 'node:module'
import { join } from 'node:path'

/** What is used of the package. */
interface Graphile {
  run(options: object): Promise<{
    addJob(task: string, payload: object): Promise<unknown>
    stop(): Promise<void>
  }>
  runMigrations(options: object): Promise<void>
}

const count = Number(process.argv[2])
const connectionString = process.argv[3] ?? ''
const concurrency = 50
const batch = 500

// From test-results/bench/bench/subjects, where this is compiled to.
const peers = createRequire(join(import.meta.dirname, '../../../../bench/peers/package.json'))
const { run, runMigrations }: Graphile = peers('graphile-worker')
const noLog = { scope: () => noLog, error: console.error, warn: () => {}, info: () => {}, debug: () => {} }

let done = 0
let finish = (): void => undefined
const finished = new Promise<void>((resolve) => (finish = resolve))
await runMigrations({ connectionString, logger: noLog })
const runner = await run({
  connectionString,
  logger: noLog,
  concurrency,
  maxPoolSize: concurrency,
  noHandleSignals: true,
  preset: { worker: { localQueue: { size: batch }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
  taskList: {
    bench: () => {
      done += 1
      if (done === count) finish()
    },
  },
})

const payload = { text: 'x'.repeat(250) }
let left = count
const add = async (): Promise<void> => {
  while (left > 0) {
    left -= 1
    await runner.addJob('bench', payload)
  }
}
const started = performance.now()
await Promise.all(Array.from({ length: concurrency }, add))
await finished
const seconds = (performance.now() - started) / 1000
console.log(JSON.stringify({ perSecond: count / seconds }))
await runner.stop()

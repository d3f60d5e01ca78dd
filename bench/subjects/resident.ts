// Memory of a worker: `resident.js RUNS`. Starts one, has so many runs park for want of a connection, and prints what
// the process holds once nothing is to be done, in MB.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { eventTrigger } from '../../server/index.ts'
import { service } from './fixture.ts'
import { createJobClient } from './job-client.ts'

const count = Number(process.argv[2] ?? '0')
const together = 50
const settleMs = 3000
const { client } = createJobClient()

client.defineJob({
  id: 'bench',
  name: 'Bench',
  version: '1.0.0',
  trigger: eventTrigger({ name: 'bench' }),
  integrations: { service },
  run: (_, io) => io.service.ping('ping').then(() => undefined),
})
await client.start()
for (let from = 0; from < count; from += together) {
  const send = (_: unknown, offset: number) =>
    client.sendEvent({ name: 'bench', payload: from + offset }, { accountId: `account-${from + offset}` })
  await Promise.all(Array.from({ length: Math.min(together, count - from) }, send))
}
for (;;) {
  const running = await client.runs.list({ state: 'running', limit: 1 })
  const queued = await client.runs.list({ state: 'queued', limit: 1 })
  if (running.items.length + queued.items.length === 0) break
  await new Promise((resolve) => setTimeout(resolve, 100))
}
await new Promise((resolve) => setTimeout(resolve, settleMs))
// What is garbage is not held; when the engine would have got round to it is nobody's measure.
setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
collect()
await new Promise((resolve) => setTimeout(resolve, settleMs / 10))
collect()
console.log(JSON.stringify({ megabytes: process.memoryUsage.rss() / 1024 / 1024 }))

// A run that comes back past its cached tasks: `replay.js TASKS`. For each line on its standard input it makes one such
// run, lets it sleep, and prints in ms how long after its time it was past the last task, and how much of that its code
// ran.

import { createInterface } from 'node:readline'
import { eventTrigger } from '../../server/index.ts'
import { createJobClient } from './job-client.ts'

const tasks = Number(process.argv[2] ?? '1000')
const sleepSeconds = 1
const { client } = createJobClient()
let tell: (times: { totalMs: number; codeMs: number }) => void = () => undefined
let dueAt = 0

client.defineJob({
  id: 'bench',
  name: 'Bench',
  version: '1.0.0',
  trigger: eventTrigger({ name: 'bench' }),
  run: async (_payload, io) => {
    const begunAt = performance.now()
    for (let at = 0; at < tasks; at += 1)
      await io.runTask(`task-${at}`, () => ({ id: at, text: 'x'.repeat(100) }))
    const passedAt = performance.now()
    if (dueAt > 0) tell({ totalMs: passedAt - dueAt, codeMs: passedAt - begunAt })
    else dueAt = passedAt + sleepSeconds * 1000
    await io.wait('sleep', sleepSeconds)
  },
})
await client.start()
console.log(JSON.stringify({ ready: true }))

for await (const _ of createInterface({ input: process.stdin })) {
  dueAt = 0
  const told = new Promise<{ totalMs: number; codeMs: number }>((resolve) => (tell = resolve))
  await client.sendEvent({ name: 'bench', payload: null })
  console.log(JSON.stringify(await told))
}

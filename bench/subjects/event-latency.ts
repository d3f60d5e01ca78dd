// From `sendEvent` to the first task of the run: `event-latency.js PER_SECOND`. For each line on its standard input, a
// number of ms, it sends events at that rate for so long, and prints the times in ms.

import { createInterface } from 'node:readline'
import { createJobClient, defineTimed } from './job-client.ts'

const perSecond = Number(process.argv[2] ?? '50')
const { client } = createJobClient()
const send = defineTimed(client)
await client.start()
console.log(JSON.stringify({ ready: true }))

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify({ times: await send({ perSecond, milliseconds: Number(line) }) }))

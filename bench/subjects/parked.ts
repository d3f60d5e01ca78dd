// An account that connects while runs wait for it: `parked.js COUNT PER_SECOND`. On its standard input `others MS` sends
// events of another job at that rate for so long; `wake MS` connects the account and does the same until its runs are
// through, and for so long at least. Prints the times in ms from when an event was due to the first task of its run.

import { createInterface } from 'node:readline'
import { eventTrigger } from '../../server/index.ts'
import { startBenchServer } from './bench-server.ts'
import { connectAccount } from './connected.ts'
import { service } from './fixture.ts'
import { defineTimed } from './job-client.ts'
import { parkRuns } from './parked-runs.ts'

const [countText = '1000', rateText = '50'] = process.argv.slice(2)
const count = Number(countText)
const perSecond = Number(rateText)
const sliceMs = 500
const accountId = 'ada'
const job = 'parked'

const server = await startBenchServer('sqlite')
const { client } = server
const send = defineTimed(client)
const eventId = 'seed'
await client.sendEvent({ name: job, payload: null, id: eventId }, { accountId })
let through = 0
client.defineJob({
  id: job,
  name: 'Parked',
  version: '1.0.0',
  trigger: eventTrigger({ name: job }),
  integrations: { service },
  run: async (_, io) => {
    await io.service.ping('ping')
    through += 1
  },
})
await parkRuns({ storeUrl: server.store.url, job, accountId, eventId, count })
console.log(JSON.stringify({ ready: true }))

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ms] = line.split(' ')
  const startedAt = performance.now()
  const elapsed = (): number => performance.now() - startedAt
  const times: number[] = []
  if (verb === 'wake') await connectAccount(server, accountId)
  while (elapsed() < Number(ms) || (verb === 'wake' && through < count))
    times.push(...(await send({ perSecond, milliseconds: sliceMs })))
  console.log(JSON.stringify({ times, seconds: elapsed() / 1000 }))
}

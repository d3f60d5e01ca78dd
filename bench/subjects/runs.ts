// Event to finished run with one cached task: `runs.js alone COUNT [FOLDER]` sends that many events, 50 at once, works
// them, and waits until the last run is finished in the store. `runs.js worker COUNT FOLDER` only works. With `mongo` for
// the folder, the store is a database beside that of TEST_MONGODB_URL and the queue is on the Redis of TEST_REDIS_URL; the
// writes of the database are counted.

import { createHash } from 'node:crypto'
import { eventTrigger } from '../../server/index.ts'
import { createBenchStore } from './bench-store.ts'
import { createBenchClient, createKey, temporaryFolder } from './fixture.ts'

const [mode = 'alone', countText = '1000', given] = process.argv.slice(2)
const count = Number(countText)
const isRemote = given === 'mongo'
const folder = given === undefined || isRemote ? temporaryFolder() : given
const remote = isRemote ? createBenchStore('mongo') : undefined
const redis = process.env['TEST_REDIS_URL']
const { secretKeys } = createKey()
// Two processes that share the folder share the key, which is good for nothing else.
const encryptionKeys = `k1:${createHash('sha256').update(folder).digest('base64')}`
const client = createBenchClient({
  baseUrl: 'http://127.0.0.1:1',
  secretKeys,
  encryptionKeys,
  store: remote?.url ?? `sqlite:${folder}/bench.db`,
  ...(remote && redis !== undefined ? { queue: redis, metrics: true } : {}),
})

client.defineJob({
  id: 'bench',
  name: 'Bench',
  version: '1.0.0',
  trigger: eventTrigger({ name: 'bench' }),
  run: async (_payload, io) => {
    await io.runTask('work', () => ({ ok: true }))
  },
})
await client.start()

const payload = { text: 'x'.repeat(250) }
const concurrency = 50

/** Sends the events and gives the ids of their runs. */
async function sendAll(): Promise<string[]> {
  const ids: string[] = []
  let left = count
  const send = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const { runIds } = await client.sendEvent({ name: 'bench', payload })
      ids.push(...runIds)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, send))
  return ids
}

const page = 200

/**
 * Resolves when the last runs have succeeded in the store. The very last is asked for until it has, then all others
 * together: to ask for all of them again and again is work of the bench's own, and one after the other is as many round trips.
 */
async function settle(ids: readonly string[]): Promise<void> {
  let left = ids.slice(-page)
  for (;;) {
    const found = await Promise.all(left.map((id) => client.runs.get({ id })))
    left = found.filter(({ state }) => state !== 'succeeded').map(({ id }) => id)
    const last = left.at(-1)
    if (last === undefined) return
    while ((await client.runs.get({ id: last })).state !== 'succeeded')
      await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** When the last run of all ended, in ms since 1970. Throws when one did not succeed. */
async function lastEnd(ids: readonly string[]): Promise<number> {
  let last = 0
  for (let from = 0; from < ids.length; from += page) {
    const found = await Promise.all(ids.slice(from, from + page).map((id) => client.runs.get({ id })))
    for (const { id, state, endedAt } of found) {
      if (state !== 'succeeded' || endedAt === null) throw new Error(`run ${id} is ${state}`)
      last = Math.max(last, Date.parse(endedAt))
    }
  }
  return last
}

/** Writes of the database so far, as the metrics tell. */
async function countWrites(): Promise<number> {
  const { port } = await client.listen(0, '127.0.0.1')
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^authflow_store_flush_writes_sum (\d+)/m.exec(text)?.[1])
}

if (mode === 'worker') {
  process.on('SIGTERM', () => void client.close().finally(() => process.exit(0)))
  console.log(JSON.stringify({ ready: true }))
} else {
  const started = Date.now()
  const ids = await sendAll()
  await settle(ids)
  const ended = Date.now()
  // With two processes another run than those sent last may be the last to end.
  const seconds = (Math.max(ended, await lastEnd(ids)) - started) / 1000
  if (ids.length !== count) throw new Error(`${ids.length} runs for ${count} events`)
  const perRun = remote ? { writesPerRun: (await countWrites()) / count } : {}
  console.log(JSON.stringify({ perSecond: count / seconds, ...perRun }))
  await client.close()
  await remote?.remove()
}

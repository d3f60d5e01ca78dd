// What the subjects that measure runs share: a worker on a file of its own, whose address nobody asks, and a job that
// tells how late its first task began.

import { createHash } from 'node:crypto'
import { eventTrigger } from '../../server/index.ts'
import { createBenchClient, createKey, temporaryFolder } from './fixture.ts'

type BenchClient = ReturnType<typeof createBenchClient>

/** A client on a fresh SQLite file in its durable mode. */
export function createJobClient(): { readonly client: BenchClient; readonly storeUrl: string } {
  const folder = temporaryFolder()
  const { secretKeys } = createKey()
  const encryptionKeys = `k1:${createHash('sha256').update(folder).digest('base64')}`
  const storeUrl = `sqlite:${folder}/bench.db`
  const baseUrl = 'http://127.0.0.1:1'
  const client = createBenchClient({ baseUrl, secretKeys, encryptionKeys, store: storeUrl })
  process.on('SIGTERM', () => void client.close().finally(() => process.exit(0)))
  return { client, storeUrl }
}

/** A load of events. */
export interface Load {
  readonly perSecond: number
  readonly milliseconds: number
}

/**
 * Defines a job with one task. The function given back sends events for it at a steady rate, whether they are worked off
 * or not, and gives the ms from when each was to be sent to when its task began.
 */
export function defineTimed(client: BenchClient): (load: Load) => Promise<number[]> {
  const begun = new Map<number, () => void>()
  let sent = 0
  client.defineJob({
    id: 'timed',
    name: 'Timed',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'timed' }),
    run: async (payload, io) => {
      await io.runTask('first', () => begun.get(Number(payload))?.())
    },
  })
  const sendOne = async (dueAt: number): Promise<number> => {
    const number = (sent += 1)
    const first = new Promise<number>((resolve) =>
      begun.set(number, () => resolve(performance.now() - dueAt)),
    )
    await client.sendEvent({ name: 'timed', payload: number })
    return first.finally(() => begun.delete(number))
  }
  return async ({ perSecond, milliseconds }) => {
    const startedAt = performance.now()
    const calls: Promise<number>[] = []
    while (calls.length < (perSecond * milliseconds) / 1000) {
      const dueAt = startedAt + (calls.length * 1000) / perSecond
      const early = dueAt - performance.now()
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early))
      // A timer that fires late is the machine's, a loop that is held up is ours: both count from when it was due.
      calls.push(sendOne(dueAt))
    }
    return Promise.all(calls)
  }
}

// From the `queue` option to an open queue. What a queue on Redis needs is loaded when one is asked for.

import type { Logger } from '../shared/log.ts'
import { loadPeer } from './integrations/sdk-peer.ts'
import type { Queue } from './queue/queue.ts'
import type { RedisTarget } from './queue/redis-options.ts'
import { createStoreQueue } from './queue/store-queue.ts'
import type { Store } from './store/store.ts'

/** What a queue is opened with. */
export interface OpenQueueOptions {
  /** Where it is; undefined means in the store. */
  readonly target: RedisTarget | undefined
  readonly store: Store
  readonly environment: string
  readonly log: Logger
}

/**
 * Opens the queue that the options name.
 *
 * @throws {@link AuthFlowError} `missing_peer` when `bullmq` or `ioredis` is not installed
 */
export async function openQueue({ target, store, environment, log }: OpenQueueOptions): Promise<Queue> {
  if (target === undefined) return createStoreQueue(store)
  const load = async () => (await import('./queue/bullmq-queue.ts')).openBullmqQueue
  const openBullmqQueue = await loadPeer('bullmq', () => loadPeer('ioredis', load))
  return openBullmqQueue({ target, environment, now: () => store.now(), log })
}

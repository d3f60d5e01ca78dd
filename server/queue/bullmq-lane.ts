// The hints of one job at one version: a BullMQ queue of its own, so that a worker asks only for what it can run. A hint
// leaves Redis when it is handed out; nothing has to be kept alive there, and the same hint can be added again.

import {
  createRedisBackend,
  Job,
  Queue as BullQueue,
  Worker as BullWorker,
  type JobJson,
  type RedisQueueBackend,
} from 'bullmq'
import { randomText } from '../../shared/ids.ts'
import type { ClaimedWakeup, JobVersion } from './queue.ts'
import type { RedisClient } from './redis-link.ts'

/** A hint that was moved out of the line and not taken away is lost for so long, when its worker dies in between. */
const lockMs = 10_000
/** A hint is never given up, however often that happened to it. */
const mostStalls = 1_000_000
/** BullMQ tells of everything in a stream that nobody here reads. */
const eventsKept = 100
/** Hints that are fetched at the same time; each fetch also takes the one before it away. */
const fetchers = 8
const bulkSize = 500
const tokenLength = 16

/** What a hint has in Redis beside its id. */
interface HintData {
  /** How often it was put off; absent means never. */
  readonly postponements?: number
}

type HintJob = Job<HintData, null>

/** Where the lanes are. */
export interface LaneOptions {
  readonly client: RedisClient
  /** Before every key. */
  readonly prefix: string
  /** A command failed. */
  readonly onFailure: (cause: unknown) => void
}

/** Name of a job's queue in Redis. The braces keep its keys on one node of a cluster, and different jobs on different ones. */
export const laneName = ({ job, version }: JobVersion): string => `{${job}@${version}}`

/** Id of a hint in Redis: the run, and the time of the wake, which tells the wakes of one run apart. */
export const hintId = (runId: string, dueAt: number): string => `${runId}-${Math.max(0, Math.floor(dueAt))}`

/** Hints of one job at one version. */
export class BullmqLane {
  readonly #job: JobVersion
  readonly #onFailure: (cause: unknown) => void
  readonly #queue: BullQueue<HintData, null>
  readonly #worker: BullWorker<HintData, null>
  readonly #token = randomText(tokenLength)

  constructor(job: JobVersion, { client, prefix, onFailure }: LaneOptions) {
    this.#job = { job: job.job, version: job.version }
    this.#onFailure = onFailure
    const shared = { connection: client, prefix, skipVersionCheck: true }
    const name = laneName(job)
    this.#queue = new BullQueue(name, {
      ...shared,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
      streams: { events: { maxLen: eventsKept } },
    })
    this.#worker = new BullWorker(
      name,
      null,
      {
        ...shared,
        autorun: false,
        lockDuration: lockMs,
        stalledInterval: lockMs,
        maxStalledCount: mostStalls,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
      // A worker that fetches by hand never blocks, so it needs no connection of its own.
      (lane, options): RedisQueueBackend => createRedisBackend(lane, options),
    )
    this.#queue.on('error', onFailure)
    this.#worker.on('error', onFailure)
  }

  /** Adds hints; those that are there already stay as they are. */
  async add(hints: readonly ClaimedWakeup[], now: number): Promise<void> {
    for (let from = 0; from < hints.length; from += bulkSize) {
      await this.#queue.addBulk(
        hints.slice(from, from + bulkSize).map(({ id, dueAt, postponements }) => ({
          name: this.#job.job,
          data: postponements === 0 ? {} : { postponements },
          opts: { jobId: id, delay: Math.max(0, Math.ceil(dueAt - now)) },
        })),
      )
    }
  }

  /** Takes a hint out, if it is there. */
  async remove(id: string): Promise<void> {
    await this.#queue.remove(id)
  }

  /** Makes hints due that are still held back, as machines whose clocks differ may leave them. */
  async promote(ids: readonly string[]): Promise<void> {
    const backend = this.#queue.getBackend()
    // One that is in line, or gone, is refused.
    await Promise.allSettled(ids.map((id) => backend.promote(id)))
  }

  /** Takes out hints that are due by Redis's client's clock, at most `limit`; fewer when Redis fails meanwhile. */
  async take(limit: number): Promise<ClaimedWakeup[]> {
    const taken: ClaimedWakeup[] = []
    let left = limit
    const fetch = async (given?: HintJob): Promise<void> => {
      let job = given ?? (await this.#fetchFirst())
      if (given === undefined && job === undefined) left += 1
      while (job !== undefined) {
        taken.push(this.#hintOf(job))
        const wantsMore = left > 0
        if (wantsMore) left -= 1
        job = await this.#removeAndFetch(job, wantsMore)
        if (wantsMore && job === undefined) left += 1
      }
    }
    try {
      left -= 1
      const first = await this.#fetchFirst()
      if (first === undefined) return taken
      const others = Math.min(left, fetchers - 1)
      left -= others
      // All of them end before this does: what they took must be handed out.
      const ends = await Promise.allSettled([fetch(first), ...Array.from({ length: others }, () => fetch())])
      for (const end of ends) if (end.status === 'rejected') this.#onFailure(end.reason)
    } catch (cause) {
      this.#onFailure(cause)
    }
    return taken
  }

  /** How many hints there are, those too that are due later or just being taken. */
  size(): Promise<number> {
    return this.#queue.getJobCountByTypes('wait', 'prioritized', 'delayed', 'active')
  }

  /** Puts hints back in line whose worker died while it took them. */
  async recover(): Promise<void> {
    await this.#worker.getBackend().moveStalledJobsToWait()
  }

  /** Ends what BullMQ has open; the connection stays. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#worker.close(), this.#queue.close()])
  }

  #fetchFirst(): Promise<HintJob | undefined> {
    return this.#worker.getNextJob(this.#token, { block: false })
  }

  async #removeAndFetch(job: HintJob, wantsMore: boolean): Promise<HintJob | undefined> {
    const next = await job.moveToCompleted(null, this.#token, wantsMore)
    const [json, id]: readonly (JobJson | string | number | null | undefined)[] = Array.isArray(next)
      ? next
      : []
    if (typeof json !== 'object' || json === null || typeof id !== 'string') return undefined
    return Job.fromJSON<HintData, null>(this.#worker, json, id)
  }

  #hintOf({ id = '', data }: HintJob): ClaimedWakeup {
    const at = id.lastIndexOf('-')
    return {
      id,
      runId: id.slice(0, at),
      dueAt: Number(id.slice(at + 1)),
      postponements: data.postponements ?? 0,
      ...this.#job,
    }
  }
}

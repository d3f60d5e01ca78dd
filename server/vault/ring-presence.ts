// Which keys the processes of an environment have: each says so while it lives. A key can be promoted once all of them
// can read what it writes, and retired once none of them writes with it.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from '../../shared/log.ts'
import { defineSet, type DocumentSet, type Store, type StoredDocument } from '../store/store.ts'

/** A process with its ring. */
export interface ProcessDocument extends StoredDocument {
  /** Name of the machine and process id, for people. */
  readonly process: string
  /** Ids of its keys, the one that writes first. */
  readonly kids: readonly string[]
  readonly startedAt: number
}

/** Processes by environment. */
export const processSet = defineSet<ProcessDocument>('vault_processes')

/** Every set of this file, for `migrate`. */
export const processSets: readonly DocumentSet<StoredDocument>[] = [processSet]

/** How often a process says that it lives, and how long a process that was killed counts as alive, in ms. */
const renewMs = 10_000
/** Covers two renewals that were missed. */
const presenceMs = 35_000

const maxProcesses = 1000
const maxNameLength = 128

/** The announcement of this process. */
export interface RingPresence {
  /** Takes it back. Repeated calls do nothing. */
  end(): Promise<void>
}

/** Who announces what. */
export interface AnnouncedRing {
  readonly environment: string
  /** Ids of the keys, the one that writes first. */
  readonly kids: readonly string[]
  readonly log: Logger
}

/** Announces the ring of this process until the end. Call it before `checkCanary`, so that retiring a key misses nobody. */
export async function announceRing(
  store: Store,
  { environment, kids, log }: AnnouncedRing,
): Promise<RingPresence> {
  const id = `${encodeURIComponent(environment)}/${randomUUID()}`
  const row = {
    id,
    process: `${hostname().slice(0, maxNameLength)}:${process.pid}`,
    kids,
    startedAt: store.now(),
  }
  const renew = async (): Promise<void> => {
    const expireAt = store.now() + presenceMs
    if (await store.update(processSet, id, {}, { set: { expireAt } })) return
    // Expired while the process stood still.
    await store.insert(processSet, { ...row, expireAt })
  }
  await store.insert(processSet, { ...row, expireAt: store.now() + presenceMs })
  let renewing: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    renewing = renew().catch((error: unknown) => log.warn({ err: error }, 'The ring could not be announced.'))
  }, renewMs)
  timer.unref()
  let ending: Promise<void> | undefined
  const end = async (): Promise<void> => {
    clearInterval(timer)
    await renewing
    // A store that is away forgets it by itself.
    await store.remove(processSet, id).catch(() => false)
  }
  return { end: () => (ending ??= end()) }
}

/** Processes of the environment that live, or died less than 35 s ago. */
export const listProcesses = (store: Store, environment: string): Promise<ProcessDocument[]> =>
  store.range(
    processSet,
    `${encodeURIComponent(environment)}/`,
    `${encodeURIComponent(environment)}0`,
    maxProcesses,
  )

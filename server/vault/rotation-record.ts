// How far a rotation is, so that the next one goes on there, and the lease that lets one process rotate at a time.

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError } from '../../shared/errors.ts'
import { defineSet, type DocumentSet, type Lease, type Store, type StoredDocument } from '../store/store.ts'

/** The last rotation of an environment, which is its id. */
export interface RotationDocument extends StoredDocument {
  /** The key that values are sealed with anew. */
  readonly kid: string
  /** Where the next rotation to the same key goes on; null when it was through. */
  readonly at: RotationPlace | null
  readonly resealed: number
  readonly startedAt: number
}

/** A place in the walk through the sets. */
export interface RotationPlace {
  readonly set: string
  /** Ids before it are done. */
  readonly cursor: string
}

/** Rotations by environment. */
const rotationSet = defineSet<RotationDocument>('vault_rotations')

/** Every set of this file, for `migrate`. */
export const rotationSets: readonly DocumentSet<StoredDocument>[] = [rotationSet]

const leaseMs = 3_000
const renewMs = 1_000
/** A rotation that was killed holds its lease for 8 s at most. */
const waitForLeaseMs = 10_000
const askAgainMs = 250

/** The rotation of this process. */
export interface HeldRotation {
  /** Aborts when another process has taken the rotation over; its reason is a `rotation_running`. */
  readonly lost: AbortSignal
  /** Where to begin; undefined for the beginning. */
  readonly resumeAt: RotationPlace | undefined
  /** Notes how far it is. */
  save(progress: Pick<RotationDocument, 'at' | 'resealed'>): Promise<void>
  /** Lets others rotate. */
  release(): Promise<void>
}

/**
 * Takes the rotation of the environment to a key.
 *
 * @throws {@link AuthFlowError} `rotation_running` when another process has held it for 10 s
 */
export async function holdRotation(store: Store, environment: string, kid: string): Promise<HeldRotation> {
  const id = encodeURIComponent(environment)
  const lease = await waitForLease(store, `key-rotation/${id}`)
  const lost = new AbortController()
  const timer = setInterval(() => {
    store.renewLease(lease, leaseMs).then(
      (kept) => kept || lost.abort(running()),
      // A store that is away is noticed by the rotation's own reads and writes.
      () => undefined,
    )
  }, renewMs)
  timer.unref()
  const before = await store.get(rotationSet, id)
  const resumed = before?.kid === kid && before.at !== null ? before : undefined
  const startedAt = resumed?.startedAt ?? store.now()
  return {
    lost: lost.signal,
    resumeAt: resumed?.at ?? undefined,
    async save(progress) {
      const set = { kid, startedAt, ...progress }
      if (!(await store.update(rotationSet, id, {}, { set }))) await store.insert(rotationSet, { id, ...set })
    },
    async release() {
      clearInterval(timer)
      await store.releaseLease(lease)
    },
  }
}

async function waitForLease(store: Store, name: string): Promise<Lease> {
  const owner = randomUUID()
  const giveUpAt = performance.now() + waitForLeaseMs
  for (;;) {
    const lease = await store.acquireLease(name, owner, leaseMs)
    if (lease) return lease
    if (performance.now() > giveUpAt) throw running()
    await delay(askAgainMs)
  }
}

const running = (): AuthFlowError => new AuthFlowError('rotation_running')

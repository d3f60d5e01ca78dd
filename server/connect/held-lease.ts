// A lease that is kept while work goes on, and how long the store has been taking writes: both decide whether an
// interrupted refresh may be repeated.

import type { Lease, Store } from '../store/store.ts'

/**
 * How long a lease lasts without being renewed, and how often it is renewed, in ms. With the 5 s that the store leaves
 * to a holder after its end and the 2 s between rounds of upkeep, what a killed process left is taken up within 8 s.
 */
const leaseMs = 1_000
const renewEveryMs = 300
/** What the store leaves to a holder after the end, see `Store.acquireLease`. */
const marginMs = 5_000

/** A lease being renewed. */
export interface HeldLease {
  readonly fence: number
  /** True once it could not be renewed, or was not for so long that another may have begun. */
  readonly lost: boolean
  /** Stops renewing and gives it back. */
  release(): Promise<void>
}

/** Takes leases and remembers how the store answered. */
export interface LeaseKeeper {
  /** The lease, renewed until it is released; undefined while another has it. */
  take(name: string): Promise<HeldLease | undefined>
  /** Ms since which every write that this process tried was accepted; 0 before the first and after a failed one. */
  writableForMs(): number
}

/** The leases of one connect service. The owner is unique to it. */
export function createLeaseKeeper(store: Store, owner: string): LeaseKeeper {
  let writableSince: number | undefined
  const note = async <T>(write: Promise<T>): Promise<T> => {
    try {
      const result = await write
      writableSince ??= performance.now()
      return result
    } catch (error) {
      writableSince = undefined
      throw error
    }
  }
  return {
    writableForMs: () => (writableSince === undefined ? 0 : performance.now() - writableSince),
    async take(name) {
      const askedAt = performance.now()
      const lease = await note(store.acquireLease(name, owner, leaseMs))
      return lease && keep(store, lease, { note, askedAt })
    },
  }
}

interface Keeping {
  readonly note: <T>(write: Promise<T>) => Promise<T>
  readonly askedAt: number
}

function keep(store: Store, lease: Lease, { note, askedAt }: Keeping): HeldLease {
  let lost = false
  let renewedAt = askedAt
  const renew = async (): Promise<void> => {
    const from = performance.now()
    try {
      if (await note(store.renewLease(lease, leaseMs))) renewedAt = from
      else lost = true
    } catch {
      // A store that is down for a moment: the next renewal tells whether the lease outlived it.
    }
  }
  const timer = setInterval(() => void renew(), renewEveryMs)
  timer.unref()
  return {
    fence: lease.fence,
    // A process that was stopped wakes with its timers unheard, so the time is asked as well.
    get lost() {
      return lost || performance.now() - renewedAt > leaseMs + marginMs
    },
    async release() {
      clearInterval(timer)
      // Left to run out when the store can't be written.
      await store.releaseLease(lease).catch(() => undefined)
    },
  }
}

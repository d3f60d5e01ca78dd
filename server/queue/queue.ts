// The queue's interface. Runs and their tasks live in the store, always; a queue only says «look at run X now, or at
// time T». Losing it loses nothing: the sweeper finds due runs in the store.

import type { Step } from '../store/store.ts'

/** One hint that a run may be due. */
export interface Wakeup {
  readonly runId: string
  readonly job: string
  readonly version: string
  /** When to look, in ms of the store's clock. */
  readonly dueAt: number
}

/** A hint handed to a worker. The worker claims the run itself by compare-and-set; a stale hint is harmless. */
export interface ClaimedWakeup extends Wakeup {
  /** Names this hint for {@link Queue.settle}. */
  readonly id: string
  /** How often it was put off by {@link Queue.postpone}. */
  readonly postponements: number
}

/** A job at one version: what a worker can run. */
export interface JobVersion {
  /** Id of the job. */
  readonly job: string
  /** Three numbers, as it was defined. */
  readonly version: string
}

/** Where {@link Queue.size} stops counting. */
export const mostCounted = 10_000

/** Hands hints to workers. */
export interface Queue {
  /** Adds hints; the same run and time twice is one hint. Resolves once they are as durable as the queue is. */
  add(wakeups: readonly Wakeup[]): Promise<void>
  /**
   * Due hints for the given jobs, at most `limit`. Two workers may get the same one; this queue does not hand it out
   * again before it is settled or postponed.
   */
  claim(jobs: readonly JobVersion[], limit: number): Promise<ClaimedWakeup[]>
  /** The hint was acted on (or is stale): forget it. */
  settle(wakeup: ClaimedWakeup): Promise<void>
  /** Takes back a hint that nobody will ask for. One that is not there is passed over; a queue that is away keeps it. */
  forget(wakeup: Wakeup): Promise<void>
  /** Look again later: the run was not there or not to be had. */
  postpone(wakeup: ClaimedWakeup, dueAt: number): Promise<void>
  /**
   * How many hints there are, due and to come, counted up to 10,000; undefined while the backend is away. Where jobs have
   * lines of their own, those of the given jobs. For people.
   */
  size(jobs: readonly JobVersion[]): Promise<number | undefined>
  /** Calls back when there may be something to claim: added here, or told by the backend. Returns how to stop. */
  onReady(listener: () => void): () => void
  /** Stops calling back. Hints stay where they are. Repeated calls do nothing. */
  close(): Promise<void>
  /** Present when hints live in the store itself, so that they can be added in the caller's own transaction. */
  readonly inStore?: {
    /** The writes of {@link Queue.add}. */
    steps(wakeups: readonly Wakeup[]): readonly Step[]
    /** To be called once the transaction is committed. */
    announce(wakeups: readonly Wakeup[]): void
  }
  /** Present when hints live beside the store, where they can get lost: whoever looks after runs adds them again. */
  readonly beside?:
    | {
        /** Hints that are due later than so many ms from now are not kept: they are to be added again in time. */
        readonly horizonMs: number
        /**
         * Names the hints that there are: under another epoch, all that was added before is gone. Undefined while the backend
         * is away; what is added meanwhile is kept for this process's own worker, and {@link Queue.claim} gives out only that.
         */
        readonly epoch: string | undefined
      }
    | undefined
}

// The queue's interface. Runs and their tasks live in the store, always; a queue only says «look at run X now, or at
// time T». Losing it loses nothing: the sweeper finds due runs in the store.

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
}

/** Hands hints to workers. */
export interface Queue {
  /** Adds hints; the same run and time twice is one hint. Resolves once they are as durable as the queue is. */
  add(wakeups: readonly Wakeup[]): Promise<void>
  /** Due hints for the given jobs, at most `limit`. Two workers may get the same one. */
  claim(jobs: readonly { readonly job: string; readonly version: string }[], limit: number): Promise<ClaimedWakeup[]>
  /** The hint was acted on (or is stale): forget it. */
  settle(wakeup: ClaimedWakeup): Promise<void>
  /** Look again later: the run was not there or not to be had. */
  postpone(wakeup: ClaimedWakeup, dueAt: number): Promise<void>
  /** Calls back when there may be something to claim: added here, or told by the backend. Returns how to stop. */
  onReady(listener: () => void): () => void
  close(): Promise<void>
}

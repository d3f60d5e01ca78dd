// The counters of the server as its parts see them; `server/metrics.ts` keeps them.

/** How one refresh at a provider ended: credentials saved; the user must authorise again; to be tried again; the host's own client was refused; somebody wrote a later credential meanwhile. */
export type RefreshOutcome = 'refreshed' | 'needs_reauth' | 'failed' | 'misconfigured' | 'superseded'

/** What a lease protects. */
export type LeaseKind = 'credential' | 'run' | 'worker' | 'other'

/** What became of a webhook request. */
export type DeliveryOutcome = 'accepted' | 'duplicate' | 'refused'

/** How a run ended. */
export type RunOutcome = 'succeeded' | 'failed' | 'cancelled'

/** How one execution of a run ended: as the run does, asleep until a time or a signal, or taken over by another worker. */
export type ExecutionOutcome = 'finished' | 'failed' | 'asleep' | 'cancelled' | 'lost'

/** How one attempt of a task ended; `retrying`: there will be another. */
export type TaskOutcome = 'succeeded' | 'failed' | 'retrying'

/** What happened to a hint of the queue: handed in, handed out to a worker, or put off because its run was not to be had. */
export type HintOutcome = 'added' | 'taken' | 'postponed'

/**
 * Counts what operators watch. Every call is cheap, returns at once and never throws. What is handed over becomes a
 * label or a number, so it must be a name out of code or configuration: never an account, a token, or anything else
 * that somebody sent.
 */
export interface Metrics {
  /** A refresh whose provider was called has ended. `integration` is the id. */
  refreshEnded(integration: string, outcome: RefreshOutcome): void
  /** Ms from the provider's answer to the saved credential: a crash in between may lose a token that rotates. */
  refreshWindow(integration: string, ms: number): void
  /** Leases were taken over from a holder that let them run out (default: one). */
  leaseStolen(kind: LeaseKind, count?: number): void
  /** Ms from the time that a run was due until a worker began it. */
  queueLag(ms: number): void
  /** So many hints went into the queue or out of it. */
  hintsCounted(outcome: HintOutcome, count: number): void
  /** The queue had lost its hints, or somebody else looks after it now: those of all due runs were added anew. */
  queueRebuilt(): void
  /** A webhook request was answered. */
  webhookReceived(integration: string, outcome: DeliveryOutcome): void
  /** Ms from a webhook request to its events: it was read. */
  webhookRead(integration: string, ms: number): void
  /** A run has ended, so many ms after it was made. `job` is the job's id. */
  runEnded(job: string, outcome: RunOutcome, ms: number): void
  /** One execution of a run has ended after so many ms. */
  executionEnded(job: string, outcome: ExecutionOutcome, ms: number): void
  /** One attempt of a task has ended after so many ms. */
  taskEnded(job: string, outcome: TaskOutcome, ms: number): void
  /** A call to a provider waited so many ms for its turn under a rate limit. */
  gateWaited(integration: string, ms: number): void
  /** So many writes went to the database together, which took so many ms. */
  storeFlushed(writes: number, ms: number): void
}

const nothing = (): void => undefined

/** Counts nothing: for hosts that did not ask for metrics. */
export const noMetrics: Metrics = {
  refreshEnded: nothing,
  refreshWindow: nothing,
  leaseStolen: nothing,
  queueLag: nothing,
  hintsCounted: nothing,
  queueRebuilt: nothing,
  webhookReceived: nothing,
  webhookRead: nothing,
  runEnded: nothing,
  executionEnded: nothing,
  taskEnded: nothing,
  gateWaited: nothing,
  storeFlushed: nothing,
}

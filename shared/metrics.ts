// The counters of the server as its parts see them; `server/metrics.ts` keeps them.

/** How one refresh at a provider ended: credentials saved; the user must authorise again; to be tried again; the host's own client was refused; somebody wrote a later credential meanwhile. */
export type RefreshOutcome = 'refreshed' | 'needs_reauth' | 'failed' | 'misconfigured' | 'superseded'

/** What a lease protects. */
export type LeaseKind = 'credential' | 'run' | 'worker' | 'other'

/** What became of a webhook request. */
export type DeliveryOutcome = 'accepted' | 'duplicate' | 'refused'

/** How a run ended. */
export type RunOutcome = 'succeeded' | 'failed' | 'cancelled'

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
  /** A lease was taken over from a holder that let it run out. */
  leaseStolen(kind: LeaseKind): void
  /** Ms from the time that a run was due until a worker claimed it. */
  queueLag(ms: number): void
  /** A webhook request was answered. */
  webhookReceived(integration: string, outcome: DeliveryOutcome): void
  /** A run has ended. `job` is the job's id. */
  runEnded(job: string, outcome: RunOutcome): void
  /** A run was set aside because no worker has had its version for a while. `job` is the job's id. */
  versionMissing(job: string): void
}

const nothing = (): void => undefined

/** Counts nothing: for hosts that did not ask for metrics. */
export const noMetrics: Metrics = {
  refreshEnded: nothing,
  refreshWindow: nothing,
  leaseStolen: nothing,
  queueLag: nothing,
  webhookReceived: nothing,
  runEnded: nothing,
  versionMissing: nothing,
}

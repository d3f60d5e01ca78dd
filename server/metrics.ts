// Keeps the counters of one server with prom-client, which is loaded only where metrics are asked for.

import { noMetrics, type Metrics } from '../shared/metrics.ts'

/** Counters that can be read. */
export interface ReadableMetrics extends Metrics {
  /** All of them as Prometheus' text, and its content type. */
  read(): Promise<{ readonly type: string; readonly text: string }>
}

const prefix = 'authflow_'
/** Seconds. A save takes milliseconds; one that takes longer than a grace of 10 s is an incident. */
const windowBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10, 60]
const lagBuckets = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600]

/** Fresh counters in a registry of their own, with those of the Node process. */
export async function createMetrics(): Promise<ReadableMetrics> {
  const { Counter, Histogram, Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames: [...labelNames], registers })
  const seconds = <Label extends string>(
    name: string,
    help: string,
    shape: { readonly labelNames: readonly Label[]; readonly buckets: number[] },
  ) =>
    new Histogram({
      name: `${prefix}${name}`,
      help,
      labelNames: [...shape.labelNames],
      buckets: shape.buckets,
      registers,
    })

  const refreshes = counter('refreshes_total', 'Refreshes at a provider by their end.', [
    'integration',
    'outcome',
  ])
  const windows = seconds('refresh_window_seconds', 'From the provider’s answer to the saved credential.', {
    labelNames: ['integration'],
    buckets: windowBuckets,
  })
  const steals = counter('lease_steals_total', 'Leases taken over from a holder that let them run out.', [
    'kind',
  ])
  const lag = seconds('queue_lag_seconds', 'From the time a run was due to its claim.', {
    labelNames: [],
    buckets: lagBuckets,
  })
  const deliveries = counter('webhook_deliveries_total', 'Webhook requests by what became of them.', [
    'integration',
    'outcome',
  ])
  const runs = counter('runs_total', 'Runs by their end.', ['job', 'outcome'])
  const missing = counter('version_missing_total', 'Runs set aside because no worker has their version.', [
    'job',
  ])

  return {
    refreshEnded: (integration, outcome) => refreshes.inc({ integration, outcome }),
    refreshWindow: (integration, ms) => windows.observe({ integration }, toSeconds(ms)),
    leaseStolen: (kind) => steals.inc({ kind }),
    queueLag: (ms) => lag.observe(toSeconds(ms)),
    webhookReceived: (integration, outcome) => deliveries.inc({ integration, outcome }),
    runEnded: (job, outcome) => runs.inc({ job, outcome }),
    versionMissing: (job) => missing.inc({ job }),
    read: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  }
}

/** Clocks of two machines may differ; a lag is never negative, and what is no number counts as none. */
const toSeconds = (ms: number): number => (ms > 0 && Number.isFinite(ms) ? ms / 1000 : 0)

/** The counters of a host that asked for them, else counters that count nothing. */
export const openMetrics = async (
  wanted: boolean,
): Promise<{ readonly metrics: Metrics; readonly readable?: ReadableMetrics }> => {
  if (!wanted) return { metrics: noMetrics }
  const readable = await createMetrics()
  return { metrics: readable, readable }
}

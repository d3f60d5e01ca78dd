// Keeps the counters of one server with prom-client, which is loaded only where metrics are asked for.

import type * as promClient from 'prom-client'
import { noMetrics, type Metrics } from '../shared/metrics.ts'
import type { RunCensus } from './jobs/engine.ts'

/** Counters that can be read. */
export interface ReadableMetrics extends Metrics {
  /** All of them as Prometheus' text, and its content type. */
  read(): Promise<{ readonly type: string; readonly text: string }>
  /** Where the numbers of runs come from that wait; asked when somebody reads, at most every 10 s. */
  watch(census: () => Promise<RunCensus>): void
}

const prefix = 'authflow_'
/** Values of one label; any more are counted together as `other`. Jobs are code, so nobody should come near. */
const maxValues = 500
/** Prometheus asks every 15 s; several of them, or people, shall not cost more. */
const censusMs = 10_000
/** Seconds. A save takes milliseconds; one that takes longer than a grace of 10 s is an incident. */
const windowBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10, 60]
const lagBuckets = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600]
const workBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300]
/** Runs that wait may take weeks. */
const runBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600, 21_600, 86_400, 604_800]
const flushBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]
const sizeBuckets = [1, 2, 5, 10, 25, 50, 100, 200, 500]

/** Values of a label as they are counted: no more than there is room for, whatever comes. */
function createBound(): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.has(value)) return value
    if (known.size >= maxValues) return 'other'
    known.add(value)
    return value
  }
}

/** Clocks of two machines may differ; a lag is never negative, and what is no number counts as none. */
const toSeconds = (ms: number): number => (ms > 0 && Number.isFinite(ms) ? ms / 1000 : 0)

type PromClient = typeof promClient

/** Makes the instruments of one registry. */
class Instruments {
  readonly #client: PromClient
  readonly #registers: promClient.Registry[]

  constructor(client: PromClient, registry: promClient.Registry) {
    this.#client = client
    this.#registers = [registry]
  }

  counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]) {
    const names = { name: `${prefix}${name}`, help, labelNames: [...labelNames] }
    return new this.#client.Counter({ ...names, registers: this.#registers })
  }

  gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]) {
    const names = { name: `${prefix}${name}`, help, labelNames: [...labelNames] }
    return new this.#client.Gauge({ ...names, registers: this.#registers })
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    shape: { readonly labelNames: readonly Label[]; readonly buckets: readonly number[] },
  ) {
    const names = { name: `${prefix}${name}`, help, labelNames: [...shape.labelNames] }
    return new this.#client.Histogram({ ...names, buckets: [...shape.buckets], registers: this.#registers })
  }
}

/** Fresh counters in a registry of their own, with those of the Node process. */
export async function createMetrics(): Promise<ReadableMetrics> {
  const client = await import('prom-client')
  const registry = new client.Registry()
  client.collectDefaultMetrics({ register: registry })
  const instruments = new Instruments(client, registry)
  const { watch, look } = createCensusGauges(instruments)
  return {
    ...countConnections(instruments),
    ...countRuns(instruments),
    ...countHints(instruments),
    ...countStore(instruments),
    watch,
    async read() {
      await look()
      return { type: registry.contentType, text: await registry.metrics() }
    },
  }
}

type ConnectionMetrics = Pick<
  Metrics,
  'refreshEnded' | 'refreshWindow' | 'leaseStolen' | 'webhookReceived' | 'webhookRead' | 'gateWaited'
>

/** Credentials, webhooks and providers. */
function countConnections(of: Instruments): ConnectionMetrics {
  const bound = createBound()
  const refreshes = of.counter('refreshes_total', 'Refreshes at a provider by their end.', [
    'integration',
    'outcome',
  ])
  const windows = of.histogram(
    'refresh_window_seconds',
    'From the provider’s answer to the saved credential.',
    {
      labelNames: ['integration'],
      buckets: windowBuckets,
    },
  )
  const steals = of.counter('lease_steals_total', 'Leases taken over from a holder that let them run out.', [
    'kind',
  ])
  const deliveries = of.counter('webhook_deliveries_total', 'Webhook requests by what became of them.', [
    'integration',
    'outcome',
  ])
  const reading = of.histogram('webhook_reading_seconds', 'From a webhook request to its events.', {
    labelNames: ['integration'],
    buckets: lagBuckets,
  })
  const gates = of.histogram(
    'gate_wait_seconds',
    'How long calls waited for their turn under a rate limit.',
    {
      labelNames: ['integration'],
      buckets: lagBuckets,
    },
  )
  return {
    refreshEnded: (integration, outcome) => refreshes.inc({ integration: bound(integration), outcome }),
    refreshWindow: (integration, ms) => windows.observe({ integration: bound(integration) }, toSeconds(ms)),
    leaseStolen: (kind, count = 1) => steals.inc({ kind }, count),
    webhookReceived: (integration, outcome) => deliveries.inc({ integration: bound(integration), outcome }),
    webhookRead: (integration, ms) => reading.observe({ integration: bound(integration) }, toSeconds(ms)),
    gateWaited: (integration, ms) => gates.observe({ integration: bound(integration) }, toSeconds(ms)),
  }
}

type RunMetrics = Pick<Metrics, 'queueLag' | 'runEnded' | 'executionEnded' | 'taskEnded'>

/** Runs, their executions and tasks. The label is not `job`, which Prometheus gives every series itself. */
function countRuns(of: Instruments): RunMetrics {
  const bound = createBound()
  const lag = of.histogram('queue_lag_seconds', 'From the time a run was due to its beginning.', {
    labelNames: [],
    buckets: lagBuckets,
  })
  const runs = of.counter('runs_total', 'Runs by their end.', ['job_id', 'outcome'])
  const lives = of.histogram('run_seconds', 'From the making of a run to its end, waits included.', {
    labelNames: ['job_id'],
    buckets: runBuckets,
  })
  const executions = of.counter('executions_total', 'Executions of runs by their end.', ['job_id', 'outcome'])
  const working = of.histogram('execution_seconds', 'How long an execution of a run took.', {
    labelNames: ['job_id'],
    buckets: workBuckets,
  })
  const tasks = of.counter('task_attempts_total', 'Attempts of tasks by their end.', ['job_id', 'outcome'])
  const trying = of.histogram('task_attempt_seconds', 'How long an attempt of a task took.', {
    labelNames: ['job_id'],
    buckets: workBuckets,
  })
  return {
    queueLag: (ms) => lag.observe(toSeconds(ms)),
    runEnded(id, outcome, ms) {
      const labels = { job_id: bound(id) }
      runs.inc({ ...labels, outcome })
      lives.observe(labels, toSeconds(ms))
    },
    executionEnded(id, outcome, ms) {
      const labels = { job_id: bound(id) }
      executions.inc({ ...labels, outcome })
      working.observe(labels, toSeconds(ms))
    },
    taskEnded(id, outcome, ms) {
      const labels = { job_id: bound(id) }
      tasks.inc({ ...labels, outcome })
      trying.observe(labels, toSeconds(ms))
    },
  }
}

/** What goes through the queue. */
function countHints(of: Instruments): Pick<Metrics, 'hintsCounted' | 'queueRebuilt'> {
  const hints = of.counter('queue_hints_total', 'Hints that went into the queue and out of it.', ['outcome'])
  const rebuilds = of.counter(
    'queue_rebuilds_total',
    'Times that all hints were added to the queue anew.',
    [],
  )
  return {
    hintsCounted: (outcome, count) => hints.inc({ outcome }, count),
    queueRebuilt: () => rebuilds.inc(),
  }
}

/** The store's writes. */
function countStore(of: Instruments): Pick<Metrics, 'storeFlushed'> {
  const sizes = of.histogram('store_flush_writes', 'Writes that went to the database together.', {
    labelNames: [],
    buckets: sizeBuckets,
  })
  const flushes = of.histogram('store_flush_seconds', 'How long the writing of a batch took.', {
    labelNames: [],
    buckets: flushBuckets,
  })
  return {
    storeFlushed(writes, ms) {
      sizes.observe(writes)
      flushes.observe(toSeconds(ms))
    },
  }
}

/** Gauges of what waits in the store. They are taken when somebody reads, and are gone while the store is away. */
function createCensusGauges(of: Instruments): {
  watch: ReadableMetrics['watch']
  look: () => Promise<void>
} {
  const waiting = of.gauge('runs_waiting', 'Runs in the store that wait, counted up to 10,000.', ['state'])
  const hints = of.gauge('queue_hints', 'Hints in the queue, counted up to 10,000.', [])
  const up = of.gauge('queue_up', '1 while the queue can be reached, else 0.', [])
  const oldest = of.gauge('queue_oldest_seconds', 'How long the longest overdue run has been due.', [])
  const executing = of.gauge('worker_executing', 'Runs that this process executes.', [])
  const slots = of.gauge('worker_slots', 'Runs that this process may execute at a time.', [])
  let ask: (() => Promise<RunCensus>) | undefined
  let askedAt = -Infinity
  let asking: Promise<void> | undefined
  const take = async (census: () => Promise<RunCensus>): Promise<void> => {
    try {
      const found = await census()
      for (const [state, count] of Object.entries(found.waiting)) waiting.set({ state }, count)
      oldest.set(toSeconds(found.oldestDueMs))
      up.set(found.hints === undefined ? 0 : 1)
      if (found.hints === undefined) hints.remove()
      else hints.set(found.hints)
      executing.set(found.executing)
      slots.set(found.slots)
    } catch {
      waiting.reset()
      // Not reset, which would be 0: nothing is known.
      for (const gauge of [oldest, hints, up]) gauge.remove()
    }
  }
  return {
    watch: (census) => (ask = census),
    look() {
      if (ask === undefined || performance.now() - askedAt < censusMs) return asking ?? Promise.resolve()
      askedAt = performance.now()
      return (asking = take(ask))
    },
  }
}

/** The counters of a host that asked for them, else counters that count nothing. */
export const openMetrics = async (
  wanted: boolean,
): Promise<{ readonly metrics: Metrics; readonly readable?: ReadableMetrics }> => {
  if (!wanted) return { metrics: noMetrics }
  const readable = await createMetrics()
  return { metrics: readable, readable }
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noMetrics } from '../shared/metrics.ts'
import type { RunCensus } from './jobs/engine.ts'
import { createMetrics, openMetrics, type ReadableMetrics } from './metrics.ts'

const census: RunCensus = {
  executing: 3,
  slots: 50,
  waiting: { queued: 7, asleep: 10_000, blocked: 4, parked: 2, version: 0 },
  hints: 12,
  oldestDueMs: 1_500,
}

describe('H3: createMetrics', () => {
  it('counts what its parts tell, as Prometheus reads it', async () => {
    const metrics = await createMetrics()
    metrics.refreshEnded('slack-customers', 'refreshed')
    metrics.refreshEnded('slack-customers', 'refreshed')
    metrics.refreshEnded('slack-customers', 'needs_reauth')
    metrics.refreshWindow('slack-customers', 4)
    metrics.leaseStolen('credential')
    metrics.queueLag(250)
    metrics.hintsCounted('added', 40)
    metrics.hintsCounted('taken', 38)
    metrics.hintsCounted('postponed', 2)
    metrics.queueRebuilt()
    metrics.webhookReceived('github-customers', 'duplicate')
    metrics.runEnded('notify', 'failed', 7_000)
    metrics.executionEnded('notify', 'asleep', 30)
    metrics.taskEnded('notify', 'retrying', 300)
    metrics.gateWaited('slack-customers', 2_000)
    metrics.webhookRead('github-customers', 20)
    metrics.storeFlushed(40, 3)
    metrics.leaseStolen('run', 12)
    const { type, text } = await metrics.read()
    assert.match(type, /^text\/plain; version=0\.0\.4/)
    for (const line of [
      'authflow_refreshes_total{integration="slack-customers",outcome="refreshed"} 2',
      'authflow_refreshes_total{integration="slack-customers",outcome="needs_reauth"} 1',
      'authflow_refresh_window_seconds_bucket{le="0.0025",integration="slack-customers"} 0',
      'authflow_refresh_window_seconds_bucket{le="0.005",integration="slack-customers"} 1',
      'authflow_lease_steals_total{kind="credential"} 1',
      'authflow_queue_hints_total{outcome="added"} 40',
      'authflow_queue_hints_total{outcome="taken"} 38',
      'authflow_queue_hints_total{outcome="postponed"} 2',
      'authflow_queue_rebuilds_total 1',
      'authflow_queue_lag_seconds_bucket{le="0.1"} 0',
      'authflow_queue_lag_seconds_bucket{le="0.5"} 1',
      'authflow_webhook_deliveries_total{integration="github-customers",outcome="duplicate"} 1',
      'authflow_runs_total{job_id="notify",outcome="failed"} 1',
      'authflow_run_seconds_bucket{le="5",job_id="notify"} 0',
      'authflow_run_seconds_bucket{le="15",job_id="notify"} 1',
      'authflow_executions_total{job_id="notify",outcome="asleep"} 1',
      'authflow_execution_seconds_sum{job_id="notify"} 0.03',
      'authflow_task_attempts_total{job_id="notify",outcome="retrying"} 1',
      'authflow_task_attempt_seconds_count{job_id="notify"} 1',
      'authflow_gate_wait_seconds_sum{integration="slack-customers"} 2',
      'authflow_webhook_reading_seconds_count{integration="github-customers"} 1',
      'authflow_store_flush_writes_bucket{le="25"} 0',
      'authflow_store_flush_writes_bucket{le="50"} 1',
      'authflow_store_flush_seconds_sum 0.003',
      'authflow_lease_steals_total{kind="run"} 12',
    ]) {
      assert(text.split('\n').includes(line), `${line} is not in\n${text}`)
    }
    assert.match(text, /^process_cpu_seconds_total /m)
    assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
  })

  it('takes odd numbers without throwing and without a negative count', async () => {
    const metrics = await createMetrics()
    for (const ms of [-5, Number.NaN, Infinity]) {
      metrics.queueLag(ms)
      metrics.refreshWindow('slack-customers', ms)
    }
    const { text } = await metrics.read()
    assert.match(text, /^authflow_queue_lag_seconds_sum 0$/m)
    assert.match(text, /^authflow_queue_lag_seconds_count 3$/m)
  })

  it('keeps the counters of two servers apart', async () => {
    const [first, second] = [await createMetrics(), await createMetrics()]
    first.leaseStolen('run')
    assert.doesNotMatch((await second.read()).text, /kind="run"/)
  })

  it('has no label that an account, a token or a value could stand in', async () => {
    const { text } = await (await createMetrics()).read()
    const metrics = await createMetrics()
    metrics.refreshEnded('a', 'failed')
    metrics.refreshWindow('a', 1)
    metrics.leaseStolen('other')
    metrics.webhookReceived('a', 'refused')
    metrics.runEnded('b', 'succeeded', 1)
    metrics.executionEnded('b', 'finished', 1)
    metrics.taskEnded('b', 'succeeded', 1)
    metrics.gateWaited('a', 1)
    metrics.webhookRead('a', 1)
    metrics.hintsCounted('added', 1)
    metrics.watch(async () => census)
    const own = `${text}${(await metrics.read()).text}`
      .split('\n')
      .filter((line) => line.startsWith('authflow_'))
    const labels = new Set(
      own.flatMap((line) => [...line.matchAll(/[{,]([a-z_]+)="/g)].map(([, name]) => name)),
    )
    assert.deepEqual([...labels].toSorted(), ['integration', 'job_id', 'kind', 'le', 'outcome', 'state'])
  })
})

describe('gauges', () => {
  const gauges = async (metrics: ReadableMetrics): Promise<string[]> =>
    (await metrics.read()).text
      .split('\n')
      .filter((line) => /^authflow_(?:runs_waiting|queue_oldest|queue_hints |queue_up|worker_)/.test(line))

  it('are taken when somebody reads, and not at every reading', async () => {
    const metrics = await createMetrics()
    let taken = 0
    metrics.watch(async () => {
      taken += 1
      return census
    })
    assert.equal(taken, 0)
    assert.deepEqual(await gauges(metrics), [
      'authflow_runs_waiting{state="queued"} 7',
      'authflow_runs_waiting{state="asleep"} 10000',
      'authflow_runs_waiting{state="blocked"} 4',
      'authflow_runs_waiting{state="parked"} 2',
      'authflow_runs_waiting{state="version"} 0',
      'authflow_queue_hints 12',
      'authflow_queue_up 1',
      'authflow_queue_oldest_seconds 1.5',
      'authflow_worker_executing 3',
      'authflow_worker_slots 50',
    ])
    await Promise.all([gauges(metrics), gauges(metrics)])
    assert.equal(taken, 1)
  })

  it('say that the queue is away, and not how many hints it has then', async () => {
    const metrics = await createMetrics()
    metrics.watch(async () => ({ ...census, hints: undefined }))
    const lines = await gauges(metrics)
    assert(lines.includes('authflow_queue_up 0'))
    assert(!lines.some((line) => line.startsWith('authflow_queue_hints ')), lines.join('\n'))
  })

  it('are no reason not to answer', async () => {
    const metrics = await createMetrics()
    metrics.watch(() => Promise.reject(new Error('the store is away')))
    metrics.runEnded('notify', 'succeeded', 1)
    const { text } = await metrics.read()
    assert.match(text, /authflow_runs_total\{job_id="notify",outcome="succeeded"\} 1/)
    assert.doesNotMatch(text, /authflow_runs_waiting\{/)
  })
})

describe('labels', () => {
  it('take 500 values and count what comes after them as one', async () => {
    const metrics = await createMetrics()
    for (let at = 0; at < 600; at += 1) metrics.taskEnded(`job-${at}`, 'succeeded', 1)
    const series = (await metrics.read()).text
      .split('\n')
      .filter((line) => line.startsWith('authflow_task_attempts_total{'))
    assert.equal(series.length, 501)
    assert(series.includes('authflow_task_attempts_total{job_id="other",outcome="succeeded"} 100'))
  })
})

describe('openMetrics', () => {
  it('counts nothing where nobody asked', async () => {
    assert.deepEqual(await openMetrics(false), { metrics: noMetrics })
    const { metrics, readable } = await openMetrics(true)
    assert.equal(metrics, readable)
  })
})

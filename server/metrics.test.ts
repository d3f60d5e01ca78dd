import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noMetrics } from '../shared/metrics.ts'
import { createMetrics, openMetrics } from './metrics.ts'

describe('H3: createMetrics', () => {
  it('counts what its parts tell, as Prometheus reads it', async () => {
    const metrics = await createMetrics()
    metrics.refreshEnded('slack-customers', 'refreshed')
    metrics.refreshEnded('slack-customers', 'refreshed')
    metrics.refreshEnded('slack-customers', 'needs_reauth')
    metrics.refreshWindow('slack-customers', 4)
    metrics.leaseStolen('credential')
    metrics.queueLag(250)
    metrics.webhookReceived('github-customers', 'duplicate')
    metrics.runEnded('notify', 'failed')
    const { type, text } = await metrics.read()
    assert.match(type, /^text\/plain; version=0\.0\.4/)
    for (const line of [
      'authflow_refreshes_total{integration="slack-customers",outcome="refreshed"} 2',
      'authflow_refreshes_total{integration="slack-customers",outcome="needs_reauth"} 1',
      'authflow_refresh_window_seconds_bucket{le="0.0025",integration="slack-customers"} 0',
      'authflow_refresh_window_seconds_bucket{le="0.005",integration="slack-customers"} 1',
      'authflow_lease_steals_total{kind="credential"} 1',
      'authflow_queue_lag_seconds_bucket{le="0.1"} 0',
      'authflow_queue_lag_seconds_bucket{le="0.5"} 1',
      'authflow_webhook_deliveries_total{integration="github-customers",outcome="duplicate"} 1',
      'authflow_runs_total{job="notify",outcome="failed"} 1',
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
    metrics.runEnded('b', 'succeeded')
    const own = `${text}${(await metrics.read()).text}`
      .split('\n')
      .filter((line) => line.startsWith('authflow_'))
    const labels = new Set(
      own.flatMap((line) => [...line.matchAll(/[{,]([a-z_]+)="/g)].map(([, name]) => name)),
    )
    assert.deepEqual([...labels].toSorted(), ['integration', 'job', 'kind', 'le', 'outcome'])
  })
})

describe('openMetrics', () => {
  it('counts nothing where nobody asked', async () => {
    assert.deepEqual(await openMetrics(false), { metrics: noMetrics })
    const { metrics, readable } = await openMetrics(true)
    assert.equal(metrics, readable)
  })
})

// The queue on more than one Redis: a real cluster of three nodes, and a master that sentinels watch over.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { openBullmqQueue } from './bullmq-queue.ts'
import { describeQueue } from './contract.ts'
import { quietLog } from './fixtures/redis.ts'
import { freePort, noRedisServer, startRedisServer, type RedisServer } from './fixtures/redis-server.ts'
import type { Queue } from './queue.ts'
import { readQueueOption, type QueueOption } from './redis-options.ts'

const skip = noRedisServer
const job = { job: 'a', version: '1.0.0' } as const
const other = { job: 'b', version: '1.0.0' } as const
let round = 0

async function open(option: QueueOption, environment: string): Promise<Queue> {
  const target = readQueueOption(option)
  assert.ok(target)
  return openBullmqQueue({ target, environment, now: () => Date.now(), log: quietLog })
}

describe('a queue on a Redis Cluster', { skip }, () => {
  const nodes: RedisServer[] = []
  const cluster: string[] = []

  before(async () => {
    for (let index = 0; index < 3; index += 1) {
      const bus = String(await freePort())
      nodes.push(await startRedisServer(['--cluster-enabled', 'yes', '--cluster-port', bus]))
    }
    cluster.push(...nodes.map(({ url }) => url))
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
    const made = spawnSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
    assert.equal(made.status, 0, made.stdout.toString())
    const [first] = nodes
    await until(
      'the cluster is whole',
      () =>
        spawnSync('redis-cli', ['-p', String(first?.port), 'cluster', 'info'])
          .stdout.toString()
          .includes('cluster_state:ok') || undefined,
      20_000,
    )
  })

  after(async () => {
    for (const node of nodes) await node.close()
  })

  describeQueue('BullMQ on a cluster', async () => {
    const environment = `cluster-${(round += 1)}`
    const [first, second] = [await open({ cluster }, environment), await open({ cluster }, environment)]
    const close = async (): Promise<void> => void (await Promise.all([first.close(), second.close()]))
    return { first, second, now: () => Date.now(), close }
  })

  it('goes on with the jobs of the nodes that are left when one dies', async () => {
    const queue = await open({ cluster }, 'cluster-dies')
    try {
      await queue.add([{ ...job, runId: 'first', dueAt: 1 }])
      assert.equal((await queue.claim([job, other], 5)).length, 1)
      await nodes.at(-1)?.kill()
      // Whether or not Redis takes them, hints are given out.
      await queue.add([job, other].map((each) => ({ ...each, runId: 'second', dueAt: 1 })))
      const seen = new Set<string>()
      await until(
        'both are given out',
        async () => {
          for (const hint of await queue.claim([job, other], 5)) seen.add(hint.job)
          return seen.size === 2 || undefined
        },
        20_000,
      )
    } finally {
      await queue.close()
    }
  })
})

describe('a queue on a Redis that sentinels watch over', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'authflow-sentinel-'))
  let master: RedisServer
  let replica: RedisServer
  let sentinel: ReturnType<typeof spawn>
  let option: QueueOption

  before(async () => {
    const password = ['--requirepass', 'pass', '--masterauth', 'pass']
    master = await startRedisServer(password)
    replica = await startRedisServer([...password, '--replicaof', '127.0.0.1', String(master.port)])
    const port = await freePort()
    const lines = [
      `port ${port}`,
      `dir ${folder}`,
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel auth-pass main pass',
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
    ]
    writeFileSync(join(folder, 'sentinel.conf'), lines.join('\n'))
    sentinel = spawn('redis-server', [join(folder, 'sentinel.conf'), '--sentinel'], { stdio: 'ignore' })
    option = { sentinels: [`redis://127.0.0.1:${port}`], master: 'main', password: 'pass' }
    const ask = (): string =>
      spawnSync('redis-cli', ['-p', String(port), 'sentinel', 'replicas', 'main']).stdout.toString()
    await until('the sentinel knows both', () => ask().includes(String(replica.port)) || undefined, 30_000)
  })

  after(async () => {
    sentinel.kill('SIGKILL')
    await master.close()
    await replica.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('follows the master to another server', async () => {
    const queue = await open(option, 'sentinels')
    try {
      await queue.add([{ ...job, runId: 'before', dueAt: 1 }])
      assert.deepEqual(
        (await queue.claim([job], 5)).map(({ runId }) => runId),
        ['before'],
      )
      await master.kill()
      await until('it notices', () => queue.beside?.epoch === undefined || undefined, 10_000)
      await until('it has found the new master', () => queue.beside?.epoch, 40_000)
      await queue.add([{ ...job, runId: 'after', dueAt: 1 }])
      assert.deepEqual(
        (await queue.claim([job], 5)).map(({ runId }) => runId),
        ['after'],
      )
    } finally {
      await queue.close()
    }
  })
})

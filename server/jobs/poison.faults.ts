// X11: runs that end their process, hang it, throw, or return far too much. Each is set aside, found by running suspects
// alone; the runs of others go on, those on other workers as before.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { backends, isLong } from '../connect/fixtures/backends.ts'
import { until } from './fixtures/engine-fixture.ts'
import { assertWhole, withScene, type FaultScene, type FaultWorker } from './fixtures/fault-scene.ts'
import type { Poison } from './fixtures/fault-jobs.ts'
import { monotonicMs } from './fixtures/history.ts'

const seats = 3
const everyMs = isLong ? 20 : 50
const calmMs = isLong ? 60_000 : 3000
/** A supervisor's patience with a process that answers nothing; in the long run the process ends itself, after 30 s. */
const hungAfterMs = isLong ? 60_000 : 2000
/** Judging it stops the event loop: on a starved machine 100 MB take longer than a lease. */
const hugeMb = isLong ? 100 : 20
/** With others, and then three times alone. */
const mostBegins = 4

/** Workers that are started again when they end, and ended when they hang. */
class Supervisor {
  readonly #scene: FaultScene
  readonly #looking: NodeJS.Timeout
  readonly #living = new Set<FaultWorker>()
  #isOver = false
  deaths = 0
  /** The run that hangs its worker: a process that begins it answers nothing any more. */
  hanging: string | undefined

  constructor(scene: FaultScene) {
    this.#scene = scene
    for (let seat = 0; seat < seats; seat += 1) void this.#keep()
    this.#looking = setInterval(() => this.#endHung(), 250)
  }

  async #keep(): Promise<void> {
    while (!this.#isOver) {
      // It may take the poison and die before it says that it is ready.
      const started = this.#scene.startWorker({ node: ['--max-old-space-size=700'], quiet: true })
      const worker = await started.catch(() => undefined)
      if (worker !== undefined) {
        this.#living.add(worker)
        await worker.ended
        this.#living.delete(worker)
      }
      if (!this.#isOver) this.deaths += 1
    }
  }

  #endHung(): void {
    for (const { kind, run, pid, at } of this.#scene.history()) {
      if (kind !== 'begun' || run !== this.hanging || monotonicMs() - at < hungAfterMs) continue
      for (const worker of this.#living) if (worker.pid === pid) void worker.kill()
    }
  }

  get living(): number {
    return this.#living.size
  }

  end(): void {
    this.#isOver = true
    clearInterval(this.#looking)
  }
}

/** A stream of ordinary runs, with when they were sent. */
class Stream {
  readonly sent = new Map<string, number>()
  readonly #ended = new AbortController()
  readonly #done: Promise<void>

  constructor(scene: FaultScene) {
    this.#done = this.#send(scene)
  }

  async #send(scene: FaultScene): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const at = monotonicMs()
      for (const id of await scene.sendSteps(1, { tasks: 1, ms: 5 })) this.sent.set(id, at)
      await delay(everyMs)
    }
  }

  async end(): Promise<string[]> {
    this.#ended.abort()
    await this.#done
    return [...this.sent.keys()]
  }
}

/** From sending to beginning, of the runs that were with one worker only, the slowest of a hundred left out. */
function p99(scene: FaultScene, stream: Stream, from: number, to: number): number {
  const claims = new Map<string, number>()
  const latencies: number[] = []
  const history = scene.history()
  for (const { kind, run } of history) if (kind === 'claimed') claims.set(run, (claims.get(run) ?? 0) + 1)
  for (const { kind, run, at } of history) {
    const sentAt = stream.sent.get(run)
    if (kind !== 'begun' || sentAt === undefined || sentAt < from || sentAt > to) continue
    if (claims.get(run) === 1) latencies.push(at - sentAt)
  }
  latencies.sort((one, other) => one - other)
  return latencies[Math.floor(latencies.length * 0.99)] ?? 0
}

const kinds: readonly { how: Poison['how']; code: string; begins: number }[] = [
  { how: 'throw', code: 'run_failed', begins: 1 },
  { how: 'huge', code: 'output_too_large', begins: 1 },
  { how: 'kill', code: 'crash_loop', begins: mostBegins },
  { how: 'memory', code: 'crash_loop', begins: mostBegins },
  { how: 'loop', code: 'crash_loop', begins: mostBegins },
]

async function withStream(scene: FaultScene): Promise<void> {
  const supervisor = new Supervisor(scene)
  await until('the workers are there', () => supervisor.living === seats, 60_000)
  const stream = new Stream(scene)
  try {
    await poison(scene, stream, supervisor)
    printFigure({
      requirement: 'X11',
      name: `processes that died of them, ${scene.backend.name}`,
      value: supervisor.deaths,
    })
  } finally {
    await stream.end()
    supervisor.end()
  }
}

async function poison(scene: FaultScene, stream: Stream, supervisor: Supervisor): Promise<void> {
  const calm = monotonicMs()
  await delay(calmMs)
  const from = monotonicMs()
  for (const { how, code, begins } of kinds) {
    const id = await scene.send('poison', { how, mb: hugeMb })
    if (how === 'loop') supervisor.hanging = id
    await scene.allOver([id], 300_000)
    const { state, error } = await scene.engine.getRun(id)
    assert.deepEqual([state, error?.code], ['failed', code], how)
    const begun = scene.history().filter(({ kind, run }) => kind === 'begun' && run === id)
    assert.ok(begun.length <= begins, `${how}: ${begun.length} times`)
  }
  const to = monotonicMs()
  const ordinary = await scene.allOver(await stream.end())
  assertWhole(ordinary, 1)
  const figure = (name: string, value: number, unit?: string): void =>
    printFigure({
      requirement: 'X11',
      name: `${name}, ${scene.backend.name}`,
      value,
      ...(unit ? { unit } : {}),
    })
  figure('poisonous runs set aside', kinds.length)
  figure('ordinary runs meanwhile, all done', ordinary.length)
  figure('their p99 from sending to beginning, before', Math.round(p99(scene, stream, calm, from)), 'ms')
  figure('the same during, on workers that lived', Math.round(p99(scene, stream, from, to)), 'ms')
}

describe('X11: runs that are poison to their worker', { timeout: 1_000_000 }, () => {
  for (const backend of backends)
    it(`are set aside while others go on, on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, withStream),
    )
})

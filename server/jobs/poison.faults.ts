// X11: runs that end their process, hang it, throw, or return far too much. Each is set aside, found by running suspects
// alone; the runs of others go on, those on other workers as fast as on a store without poison. That one has as many
// workers on the same machine at the same time, so that both lack the same cores while a process hangs or starts.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { until } from './fixtures/engine-fixture.ts'
import { assertWhole, withScene, type FaultScene, type FaultWorker } from './fixtures/fault-scene.ts'
import type { Poison } from './fixtures/fault-jobs.ts'
import { monotonicMs, type Fact } from './fixtures/history.ts'
import { jobBackends, storeBackends, type JobBackend } from './fixtures/job-backends.ts'

const seats = 3
const everyMs = isLong ? 20 : 50
const calmMs = isLong ? 60_000 : 5000
/** A supervisor's patience with a process that answers nothing; in the long run the process ends itself, after 30 s. */
const hungAfterMs = isLong ? 60_000 : 2000
/** Judging it stops the event loop: on a starved machine 100 MB take longer than a lease. */
const hugeMb = isLong ? 100 : 20
/** With others, and then three times alone. */
const mostBegins = 4

/** A time, in ms of the clock of the history. */
interface Span {
  readonly from: number
  readonly to: number
}

/** A process from its first run to its end. */
interface Life {
  readonly pid: number
  readonly from: number
  to: number
}

/** Workers that are started again when they end, and ended when they hang. */
class Supervisor {
  readonly #scene: FaultScene
  readonly #looking: NodeJS.Timeout
  readonly #living = new Set<FaultWorker>()
  /** Of all processes so far. */
  readonly #lives: Life[] = []
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
        const life = { pid: worker.pid, from: monotonicMs(), to: Infinity }
        this.#living.add(worker)
        this.#lives.push(life)
        await worker.ended
        this.#living.delete(worker)
        life.to = monotonicMs()
      }
      if (!this.#isOver) this.deaths += 1
    }
  }

  #endHung(): void {
    if (this.hanging === undefined) return
    for (const { kind, run, pid, at } of this.#scene.history()) {
      if (kind !== 'begun' || run !== this.hanging || monotonicMs() - at < hungAfterMs) continue
      for (const worker of this.#living) if (worker.pid === pid) void worker.kill()
    }
  }

  /** True when all are there, and none of them is a process that began the run. */
  isComplete(begun: readonly Fact[] = []): boolean {
    const left = new Set(begun.map(({ pid }) => pid))
    return this.#living.size === seats && ![...this.#living].some(({ pid }) => left.has(pid))
  }

  /** The times at which no worker lived; one that has begun a run that ends it lives no more. */
  gaps(deadly: ReadonlySet<string>): Span[] {
    const fatal = this.#scene.history().filter(({ kind, run }) => kind === 'begun' && deadly.has(run))
    const lives = this.#lives.map(({ pid, from, to }) => {
      const last = fatal.find((fact) => fact.pid === pid)
      return { from, to: Math.min(to, last?.at ?? Infinity) }
    })
    const isLast = (at: number): boolean => !lives.some(({ from, to }) => from <= at && at < to)
    const nextAfter = (at: number): number =>
      Math.min(...lives.filter(({ from }) => from > at).map(({ from }) => from))
    return lives
      .filter(({ to }) => to < Infinity && isLast(to))
      .map(({ to }) => ({ from: to, to: nextAfter(to) }))
  }

  end(): void {
    this.#isOver = true
    clearInterval(this.#looking)
  }
}

/** A stream of ordinary runs, with when they were sent. */
class Stream {
  readonly #scene: FaultScene
  readonly #sent = new Map<string, number>()
  readonly #ended = new AbortController()
  readonly #done: Promise<void>

  constructor(scene: FaultScene) {
    this.#scene = scene
    this.#done = this.#send()
  }

  async #send(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const at = monotonicMs()
      const ids = await this.#scene.sendSteps(1, { tasks: 1, ms: 5 })
      for (const id of ids) this.#sent.set(id, at)
      await delay(everyMs)
    }
  }

  /** The runs that were sent. */
  async end(): Promise<string[]> {
    this.#ended.abort()
    await this.#done
    return [...this.#sent.keys()]
  }

  /** How long the runs sent in the time waited for their beginning, of those that were with one worker only. */
  waits({ from, to }: Span): Span[] {
    const claims = new Map<string, number>()
    const waits: Span[] = []
    const history = this.#scene.history()
    for (const { kind, run } of history) if (kind === 'claimed') claims.set(run, (claims.get(run) ?? 0) + 1)
    for (const { kind, run, at } of history) {
      const sentAt = this.#sent.get(run)
      if (kind !== 'begun' || sentAt === undefined || sentAt < from || sentAt > to) continue
      if (claims.get(run) === 1) waits.push({ from: sentAt, to: at })
    }
    return waits
  }
}

/** The longest of them, that of one in a hundred left out, in ms. */
function p99(waits: readonly Span[]): number {
  const lengths = waits.map(({ from, to }) => to - from).sort((one, other) => one - other)
  return lengths[Math.floor(lengths.length * 0.99)] ?? assert.fail('no run began')
}

const kinds: readonly { how: Poison['how']; code: string; begins: number }[] = [
  { how: 'throw', code: 'run_failed', begins: 1 },
  { how: 'huge', code: 'output_too_large', begins: 1 },
  { how: 'kill', code: 'crash_loop', begins: mostBegins },
  { how: 'memory', code: 'crash_loop', begins: mostBegins },
  { how: 'loop', code: 'crash_loop', begins: mostBegins },
]

/** Sends one after the other, each when the one before is set aside and the workers that it ended are back. */
async function poison(scene: FaultScene, supervisor: Supervisor): Promise<Set<string>> {
  const deadly = new Set<string>()
  for (const { how, code, begins } of kinds) {
    const id = await scene.send('poison', { how, mb: hugeMb })
    if (how === 'loop') supervisor.hanging = id
    if (code === 'crash_loop') deadly.add(id)
    await scene.allOver([id], 600_000)
    const { state, error } = await scene.engine.getRun(id)
    assert.deepEqual([state, error?.code], ['failed', code], how)
    const begun = scene.history().filter(({ kind, run }) => kind === 'begun' && run === id)
    assert.ok(begun.length <= begins, `${how}: ${begun.length} times`)
    const isRestored = (): boolean => code !== 'crash_loop' || supervisor.isComplete(begun)
    await until('the workers are back', isRestored, 240_000)
  }
  return deadly
}

async function play(poisoned: FaultScene, calm: FaultScene): Promise<void> {
  const [supervisor, bystander] = [new Supervisor(poisoned), new Supervisor(calm)]
  const workers = (): boolean => supervisor.isComplete() && bystander.isComplete()
  await until('the workers are there', workers, 240_000)
  const [stream, other] = [new Stream(poisoned), new Stream(calm)]
  try {
    const before = monotonicMs()
    await delay(calmMs)
    const from = monotonicMs()
    const deadly = await poison(poisoned, supervisor)
    const to = monotonicMs()
    const ordinary = await poisoned.allOver(await stream.end())
    assertWhole(ordinary, 1)
    const figure = (name: string, value: number, unit?: string): void =>
      printFigure({
        requirement: 'X11',
        name: `${name}, ${poisoned.backend.name}`,
        value: Math.round(value),
        ...(unit ? { unit } : {}),
      })
    figure('poisonous runs set aside', kinds.length)
    figure('processes that died of them', supervisor.deaths)
    figure('ordinary runs meanwhile, all done', ordinary.length)
    const gaps = supervisor.gaps(deadly)
    const isIn = (wait: Span): boolean => gaps.some((gap) => wait.from < gap.to && gap.from < wait.to)
    const waits = stream.waits({ from, to })
    const met = waits.filter((wait) => !isIn(wait))
    figure('runs that met a moment without a living worker', waits.length - met.length)
    figure('p99 of the others from sending to beginning', p99(met), 'ms')
    figure('at the same time on a store without poison', p99(other.waits({ from, to })), 'ms')
    figure('before', p99(stream.waits({ from: before, to: from })), 'ms')
  } finally {
    await Promise.all([stream.end(), other.end()])
    supervisor.end()
    bystander.end()
  }
}

const withTwoScenes = (backend: JobBackend): Promise<void> =>
  withScene(backend, (poisoned) => withScene(backend, (calm) => play(poisoned, calm)))

describe('X11: runs that are poison to their worker', { timeout: 1_400_000 }, () => {
  // It takes minutes, and poison does its work beside the queue.
  for (const backend of isLong ? jobBackends : storeBackends)
    it(`are set aside while others go on, on ${backend.name}`, { skip: backend.skip }, () =>
      withTwoScenes(backend),
    )
})

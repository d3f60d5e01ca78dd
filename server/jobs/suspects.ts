// Runs whose worker died, held by another one until it has nothing else under way. It takes nothing new meanwhile, so it
// does not hold them for long: when something else takes its time they are handed on, and for as long as that took, new
// ones are handed on at once. Each time in vain it is patient for twice as long, so that a run which finds every worker
// busy is waited for in the end.

import type { RunDocument } from './records.ts'

const firstPatienceMs = 1000
const longestPatienceMs = 600_000

interface Suspect {
  readonly run: Pick<RunDocument, 'strikes'>
}

/** The suspects that one worker holds. */
export class Suspects<T extends Suspect> {
  readonly #handOn: (suspect: T, pauseMs: number) => void
  readonly #held: T[] = []
  #timer: NodeJS.Timeout | undefined
  #patienceMs = firstPatienceMs
  /** Until then none is held for longer than a turn of the event loop. */
  #closedUntil = -Infinity

  /** @param handOn called with each run that was held in vain, and for how long it should not come back */
  constructor(handOn: (suspect: T, pauseMs: number) => void) {
    this.#handOn = handOn
  }

  /** How many are held. */
  get size(): number {
    return this.#held.length
  }

  /** All that are held, the first one first. */
  get items(): readonly T[] {
    return this.#held
  }

  /** Holds a run. */
  add(suspect: T): void {
    this.#held.push(suspect)
    const isClosed = performance.now() < this.#closedUntil
    this.#timer ??= setTimeout(() => this.#giveUp(), isClosed ? 0 : this.#patienceMs).unref()
  }

  /** Takes the one out that is the least likely to end the process: those that are held would be lost with it. */
  takeNext(): T | undefined {
    const fewest = Math.min(...this.#held.map(strikesOf))
    const next = this.#held.find((one) => strikesOf(one) === fewest)
    if (next === undefined) return undefined
    const others = this.takeAll().filter((one) => one !== next)
    this.#patienceMs = Math.max(firstPatienceMs, this.#patienceMs / 2)
    this.#closedUntil = -Infinity
    for (const other of others) this.add(other)
    return next
  }

  /** Takes all out. */
  takeAll(): readonly T[] {
    clearTimeout(this.#timer)
    this.#timer = undefined
    return this.#held.splice(0)
  }

  #giveUp(): void {
    const now = performance.now()
    if (now >= this.#closedUntil) {
      this.#closedUntil = now + this.#patienceMs
      this.#patienceMs = Math.min(longestPatienceMs, this.#patienceMs * 2)
    }
    const pauseMs = Math.ceil(this.#closedUntil - now)
    for (const suspect of this.takeAll()) this.#handOn(suspect, pauseMs)
  }
}

const strikesOf = ({ run }: Suspect): number => run.strikes ?? 0

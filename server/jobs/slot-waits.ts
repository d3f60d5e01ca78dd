// What waits for a slot of a worker: senders before they store a run, and runs that were stored as the worker's before
// it had a slot for them. Waiting is worth it while runs keep ending; then the next ones share the commits of those
// that run, and the detour through the queue, which costs more writes, is spared.

/** When no run came to an end for so long, nothing waits any more, and nothing new for a while. */
const stillMs = 100
const pauseMs = 1000
/** Nothing waits for longer: another worker may have a slot. */
const longestMs = 1000

interface Waiting<T> {
  readonly item: T
  readonly since: number
}

/** Items that wait for a slot of one worker, first come first served. One timer serves them all. */
export class SlotWaits<T> {
  readonly #giveUp: (item: T) => void
  #waiting: Waiting<T>[] = []
  #timer: NodeJS.Timeout | undefined
  #passes = 0
  #pausedUntil = 0

  /** @param giveUp called with each item that waited in vain */
  constructor(giveUp: (item: T) => void) {
    this.#giveUp = giveUp
  }

  /** False for a while after runs stopped ending. */
  get isWorthIt(): boolean {
    return performance.now() >= this.#pausedUntil
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.length
  }

  /** All that wait, the first one first. */
  get items(): readonly T[] {
    return this.#waiting.map(({ item }) => item)
  }

  /** Lets an item wait. */
  add(item: T): void {
    this.#waiting.push({ item, since: performance.now() })
    if (this.#timer === undefined) this.#watch()
  }

  /** Takes the first ones out, at most `count`. */
  take(count: number): T[] {
    return this.#waiting.splice(0, Math.max(0, count)).map(({ item }) => item)
  }

  /** A run came to an end. */
  notePass(): void {
    this.#passes += 1
  }

  #watch(): void {
    const before = this.#passes
    this.#timer = setTimeout(() => this.#look(before), stillMs)
  }

  #look(before: number): void {
    this.#timer = undefined
    const now = performance.now()
    const isStill = this.#passes === before
    const latest = now - (isStill ? stillMs : longestMs)
    // A timer may be early by a part of a millisecond.
    const late = this.#waiting.filter(({ since }) => since <= latest + 1)
    this.#waiting = this.#waiting.slice(late.length)
    if (this.#waiting.length > 0) this.#watch()
    if (isStill && late.length > 0) this.#pausedUntil = now + pauseMs
    for (const { item } of late) this.#giveUp(item)
  }
}

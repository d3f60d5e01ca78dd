// Word between processes that there are hints, over Redis's publish and subscribe. Word that gets lost costs a second:
// workers look for themselves with every heartbeat.

import { randomText } from '../../shared/ids.ts'
import { createRedisClient, type RedisClient, type RedisLink } from './redis-link.ts'
import type { RedisTarget } from './redis-options.ts'

/** Word of the same kind of hints is given at most this often. */
const pauseMs = 5
/** A subscriber sends nothing of itself; this keeps its socket from looking dead. */
const pingMs = 2000
const patienceMs = 1000
const senderLength = 8

/** What notices need. */
export interface RedisNoticesOptions {
  readonly link: RedisLink
  readonly target: RedisTarget
  readonly channel: string
  /** Another process has hints of this kind, due in so many ms. */
  readonly onNotice: (kind: string, inMs: number) => void
}

/** Tells the other processes, and is told by them. */
export class RedisNotices {
  readonly #options: RedisNoticesOptions
  readonly #subscriber: RedisClient
  readonly #sender = randomText(senderLength)
  /** What is to be told of each kind once its pause is over; undefined means nothing. */
  readonly #paused = new Map<string, { inMs: number | undefined; timer: NodeJS.Timeout }>()
  readonly #timer: NodeJS.Timeout
  #isSubscribed = false

  constructor(options: RedisNoticesOptions) {
    this.#options = options
    this.#subscriber = createRedisClient(options.target)
    this.#subscriber.on('error', () => undefined)
    this.#subscriber.on('message', (_: string, message: string) => this.#hear(message))
    this.#subscriber.on('ready', () => void this.#subscribe())
    this.#subscriber.on('close', () => (this.#isSubscribed = false))
    this.#timer = setInterval(() => {
      if (this.#subscriber.status !== 'ready') return
      if (this.#isSubscribed) this.#subscriber.ping().catch(() => undefined)
      else void this.#subscribe()
    }, pingMs).unref()
  }

  /** Resolves once it listens, or after a second without. Tries on in either case. */
  async open(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)))
    const there = this.#subscriber.connect().then(() => this.#subscribe())
    await Promise.race([there.catch(() => undefined), late])
    clearTimeout(timer)
  }

  /** Tells the others that there are hints of this kind, the earliest due in so many ms. Never fails. */
  tell(kind: string, inMs: number): void {
    const paused = this.#paused.get(kind)
    if (paused !== undefined) {
      paused.inMs = Math.min(paused.inMs ?? Infinity, inMs)
      return
    }
    this.#send(kind, inMs)
    const timer = setTimeout(() => {
      const last = this.#paused.get(kind)?.inMs
      this.#paused.delete(kind)
      if (last !== undefined) this.tell(kind, last)
    }, pauseMs).unref()
    this.#paused.set(kind, { inMs: undefined, timer })
  }

  /** Ends the subscription. */
  close(): void {
    clearInterval(this.#timer)
    for (const { timer } of this.#paused.values()) clearTimeout(timer)
    this.#paused.clear()
    this.#subscriber.disconnect()
  }

  #send(kind: string, inMs: number): void {
    const { link, channel } = this.#options
    if (!link.isUp) return
    link.client
      .publish(channel, `${this.#sender} ${Math.max(0, Math.ceil(inMs))} ${kind}`)
      .catch(() => undefined)
  }

  #hear(message: string): void {
    const [sender, inMs, kind] = message.split(' ')
    if (sender === this.#sender || kind === undefined || !/^\d+$/.test(inMs ?? '')) return
    this.#options.onNotice(kind, Number(inMs))
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#subscriber.subscribe(this.#options.channel)
      this.#isSubscribed = true
    } catch {
      // Tried again with the next ping.
    }
  }
}

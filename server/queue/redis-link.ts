// The connection to Redis: there or away, and never in the way. A command that is not answered fails within seconds; who
// asks while Redis is away is told so at once. The epoch is a key that tells one life of the data from the next.

import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type CommonRedisOptions } from 'ioredis'
import { randomText } from '../../shared/ids.ts'
import type { Logger } from '../../shared/log.ts'
import type { RedisNode, RedisTarget } from './redis-options.ts'

/** Longest that a command may take: one that is lost must not hold up a worker. */
const commandTimeoutMs = 2000
const connectTimeoutMs = 5000
/** How often Redis is asked for the epoch, which also tells whether it is there. */
const probeMs = 1000
/** A socket that brought nothing for so long, although it was asked every second, is dead. */
const silenceMs = 6000
const longestRetryMs = 2000
/** How long opening waits for the first connection before it goes on without. */
const firstConnectMs = 3000
/** A part of a cluster that is gone fails again and again; the log needs to know once. */
const tellEveryMs = 60_000
const epochLength = 16

/** A client of one server or of a cluster. */
export type RedisClient = Redis | Cluster

/** What a link needs. */
export interface RedisLinkOptions {
  readonly target: RedisTarget
  /** The key of the epoch. */
  readonly epochKey: string
  readonly log: Logger
}

/** Connects; resolves once Redis has answered, or after three seconds without it. Tries again for as long as it takes. */
export async function openRedisLink(options: RedisLinkOptions): Promise<RedisLink> {
  const link = new RedisLink(options)
  await link.open()
  return link
}

/** One connection, and what is known of the other side. */
export class RedisLink {
  readonly client: RedisClient
  readonly #options: RedisLinkOptions
  readonly #upListeners = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #probing: Promise<void> | undefined
  #epoch: string | undefined
  #isTold = false
  #toldAt = -Infinity
  #closed = false

  constructor(options: RedisLinkOptions) {
    this.#options = options
    this.client = createRedisClient(options.target)
    // Every failure also reaches whoever asked; the last one is logged by the probe.
    this.client.on('error', () => undefined)
    this.client.on('ready', () => void this.#probe())
    this.client.on('close', () => this.fail(new Error('the connection ended')))
  }

  /** Names the data that Redis holds now: another epoch, other data. Undefined while Redis is away. */
  get epoch(): string | undefined {
    return this.#epoch
  }

  /** False while Redis can't be reached: nothing is to be asked of it then. */
  get isUp(): boolean {
    return this.#epoch !== undefined && this.client.status === 'ready'
  }

  /** Calls back when Redis has come back, or is there for the first time. */
  onUp(listener: () => void): void {
    this.#upListeners.add(listener)
  }

  /** To be told of a command that failed: Redis is away until it answers the next probe. */
  fail(cause: unknown): void {
    this.#epoch = undefined
    if (this.#isTold || this.#closed || performance.now() < this.#toldAt + tellEveryMs) return
    this.#isTold = true
    this.#toldAt = performance.now()
    this.#options.log.warn(
      { err: cause },
      'Redis is away. Due runs are looked for in the store until it is back, which takes seconds instead of milliseconds.',
    )
  }

  /** See {@link openRedisLink}. */
  async open(): Promise<void> {
    this.#timer = setInterval(() => void this.#probe(), probeMs).unref()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, firstConnectMs)))
    const there = this.client.connect().then(() => this.#probe())
    await Promise.race([there.catch((cause: unknown) => this.fail(cause)), late])
    clearTimeout(timer)
    if (this.#epoch === undefined) this.fail(new Error('no answer to the first request'))
  }

  /** Ends the connection. Repeated calls do nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    await this.#probing
    const isUp = this.isUp
    this.#epoch = undefined
    // With what was sent before, if it is still answered.
    if (isUp) await this.client.quit().catch(() => undefined)
    this.client.disconnect()
  }

  #probe(): Promise<void> {
    if (this.#closed || this.client.status !== 'ready') return Promise.resolve()
    this.#probing ??= this.#findEpoch()
      .then((epoch) => this.#enter(epoch))
      .catch((cause: unknown) => this.fail(cause))
      .finally(() => (this.#probing = undefined))
    return this.#probing
  }

  #enter(epoch: string): void {
    if (this.#closed) return
    const isBack = this.#epoch === undefined
    this.#epoch = epoch
    if (!isBack) return
    if (this.#isTold) this.#options.log.info({}, 'Redis is there again.')
    this.#isTold = false
    for (const listener of this.#upListeners) listener()
  }

  /** The epoch that there is; where there is none, whoever is first begins one. */
  async #findEpoch(): Promise<string> {
    const { epochKey } = this.#options
    for (;;) {
      const found = await this.client.get(epochKey)
      if (found !== null) return found
      await this.client.set(epochKey, randomText(epochLength), 'NX')
    }
  }
}

/** A client that is not connected yet. It never queues what it can't send, and tries to connect again forever. */
export function createRedisClient(target: RedisTarget): RedisClient {
  const common = {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // The client would subscribe again by itself and not look at the answer: a connection lost just then ended the process.
    autoResubscribe: false,
    commandTimeout: commandTimeoutMs,
    connectTimeout: connectTimeoutMs,
    socketTimeout: silenceMs,
    connectionName: 'authflow',
  } satisfies CommonRedisOptions
  const options = { ...common, enableOfflineQueue: false, retryStrategy } satisfies CommonRedisOptions
  const [first] = target.kind === 'server' ? [target.node] : target.nodes
  if (target.kind === 'server')
    return new Redis({ ...options, ...access(first), ...place(first), db: target.db })
  if (target.kind === 'cluster') {
    return new Cluster(target.nodes.map(place), {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: retryStrategy,
      redisOptions: { ...common, ...access(first) },
    })
  }
  const { tls, username, password } = access(first)
  return new Redis({
    ...options,
    name: target.master,
    sentinels: target.nodes.map(place),
    db: target.db,
    sentinelRetryStrategy: retryStrategy,
    ...(tls === undefined ? {} : { tls, enableTLSForSentinelMode: true, sentinelTLS: tls }),
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
  })
}

/** With jitter, so that a Redis that comes back is not met by everybody at once. */
const retryStrategy = (times: number): number =>
  Math.min(longestRetryMs, times * 100) * (0.5 + Math.random() / 2)

const place = ({ host, port }: RedisNode): { host: string; port: number } => ({ host, port })

function access({ username, password, tls }: RedisNode): {
  username?: string
  password?: string
  tls?: ConnectionOptions
} {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  }
}

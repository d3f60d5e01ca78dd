// Where hints are kept when that is not the store: one Redis or Valkey, a cluster, or what sentinels watch over. Checked
// before anything is opened; addresses and passwords stay out of messages.

import { AuthFlowError } from '../../shared/errors.ts'

/** Several Redis servers, named by URLs such as `redis://host:6379` or `rediss://user:password@host:6379`. */
export interface RedisServers {
  /** Some nodes of a Redis Cluster; the others are found by them. User, password and TLS are those of the first. */
  readonly cluster?: readonly string[]
  /** Sentinels that know which server is the master. */
  readonly sentinels?: readonly string[]
  /** With `sentinels`: what they call the master, such as `mymaster`. */
  readonly master?: string
  /** With `sentinels`: the user of the master itself (default: none). The sentinels' own are in their URLs. */
  readonly username?: string
  /** With `sentinels`: the password of the master itself (default: none). */
  readonly password?: string
  /** With `sentinels`: the number of the master's database (default 0). */
  readonly db?: number
}

/** A queue beside the store: `redis://…` or `rediss://…` of one server, or several servers. */
export type QueueOption = string | RedisServers

/** Host, port and what it takes to get in. */
export interface RedisNode {
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
  /** True: over TLS. */
  readonly tls: boolean
}

/** The option, read. */
export type RedisTarget =
  | { readonly kind: 'server'; readonly node: RedisNode; readonly db: number }
  | { readonly kind: 'cluster'; readonly nodes: readonly [RedisNode, ...RedisNode[]] }
  | {
      readonly kind: 'sentinels'
      readonly nodes: readonly [RedisNode, ...RedisNode[]]
      readonly master: string
      readonly username?: string
      readonly password?: string
      readonly db: number
    }

const defaultPort = 6379
const defaultSentinelPort = 26_379
const mostDatabases = 1_000_000

/** Reads the option `queue`. Throws `invalid_option`. */
export function readQueueOption(option: QueueOption | undefined): RedisTarget | undefined {
  if (option === undefined) return undefined
  if (typeof option === 'string') return readServer(option)
  if (typeof option !== 'object' || option === null) throw invalid('queue', 'a redis:// URL or an object')
  const { cluster, sentinels, master, username, password, db = 0 } = option
  if ((cluster === undefined) === (sentinels === undefined))
    throw invalid('queue', 'an object with either `cluster` or `sentinels`')
  if (cluster !== undefined)
    return { kind: 'cluster', nodes: readNodes('queue.cluster', cluster, defaultPort) }
  if (typeof master !== 'string' || master === '')
    throw invalid('queue.master', 'the name that the sentinels have for the master')
  return {
    kind: 'sentinels',
    nodes: readNodes('queue.sentinels', sentinels, defaultSentinelPort),
    master,
    db: checkDatabase('queue.db', db),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
}

function readServer(text: string): RedisTarget {
  const { node, path } = readUrl('queue', text, defaultPort)
  return { kind: 'server', node, db: checkDatabase('queue', path === '' ? 0 : Number(path)) }
}

function readNodes(
  option: string,
  urls: readonly string[] | undefined,
  port: number,
): readonly [RedisNode, ...RedisNode[]] {
  const [first, ...rest] = Array.isArray(urls) ? urls : []
  if (first === undefined) throw invalid(option, 'a list of redis:// URLs, at least one')
  const read = (url: string): RedisNode => {
    const { node, path } = readUrl(option, url, port)
    if (path !== '') throw invalid(option, 'a list of redis:// URLs without a database')
    return node
  }
  return [read(first), ...rest.map(read)]
}

function readUrl(option: string, text: unknown, port: number): { node: RedisNode; path: string } {
  const expected = 'a URL such as redis://host:6379, or rediss:// for TLS'
  if (typeof text !== 'string' || !/^rediss?:\/\//.test(text) || !URL.canParse(text))
    throw invalid(option, expected)
  const url = new URL(text)
  // What a client would read as options of its own is no part of an address.
  if (url.hostname === '' || url.search !== '' || url.hash !== '') throw invalid(option, expected)
  return {
    node: {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? port : Number(url.port),
      tls: url.protocol === 'rediss:',
      ...(url.username === '' ? {} : { username: decode(option, url.username) }),
      ...(url.password === '' ? {} : { password: decode(option, url.password) }),
    },
    path: url.pathname.replace(/^\//, ''),
  }
}

function decode(option: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(option, 'a URL whose user and password are percent-encoded')
  }
}

function checkDatabase(option: string, db: number): number {
  if (Number.isInteger(db) && db >= 0 && db < mostDatabases) return db
  throw invalid(option, 'a database by its number, such as redis://host:6379/2')
}

const invalid = (option: string, expected: string): AuthFlowError =>
  new AuthFlowError('invalid_option', `\`${option}\` must be ${expected}.`, { details: { option } })

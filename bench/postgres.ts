// A PostgreSQL of the bench's own, as Debian configures it: durable. In a temporary folder, on a free port, gone afterwards.

import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const debianFolder = '/usr/lib/postgresql'

/** A running server. */
export interface Postgres {
  /** `15.18`. */
  readonly version: string
  /** Of a database that is there and empty. */
  readonly url: string
  stop(): void
}

/** Starts one; where there is none, gives the reason. */
export async function startPostgres(): Promise<Postgres | string> {
  const bin = findBin()
  if (bin === undefined) return 'PostgreSQL: install Debian’s postgresql'
  const user = findUser()
  if (typeof user === 'string') return user
  const folder = mkdtempSync(join(tmpdir(), 'authflow-postgres-'))
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid ?? user.uid)
  const run = (program: string, args: readonly string[]): string => {
    const done = spawnSync(join(bin, program), args, { ...user, cwd: folder, encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`${program} failed: ${done.stderr}`)
    return done.stdout
  }
  const data = join(folder, 'data')
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const port = await freePort()
    run('initdb', ['--pgdata', data, '--auth', 'trust', '--username', 'bench', '--no-sync'])
    const settings = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1`
    run('pg_ctl', ['--pgdata', data, '--wait', '--log', join(folder, 'log'), '-o', settings, 'start'])
    const version = run('postgres', ['--version']).match(/\d+(\.\d+)?/)?.[0] ?? ''
    return {
      version,
      url: `postgres://bench@127.0.0.1:${port}/postgres`,
      stop: () => {
        run('pg_ctl', ['--pgdata', data, '--mode', 'immediate', 'stop'])
        remove()
      },
    }
  } catch (cause) {
    remove()
    return `PostgreSQL does not start: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

/** Debian keeps the programs of each version in a folder of its own. */
function findBin(): string | undefined {
  if (!existsSync(debianFolder)) return undefined
  const versions = readdirSync(debianFolder).toSorted((left, right) => Number(right) - Number(left))
  return versions
    .map((version) => join(debianFolder, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')))
}

/** PostgreSQL refuses to run as root. */
function findUser(): { uid?: number; gid?: number } | string {
  if (process.getuid?.() !== 0) return {}
  const idOf = (flag: string): number =>
    Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout || NaN)
  const [uid, gid] = [idOf('-u'), idOf('-g')]
  return Number.isInteger(uid) && Number.isInteger(gid)
    ? { uid, gid }
    : 'PostgreSQL: there is no user postgres'
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

// authflow doctor: what is wrong with a configuration, and how to mend it.

import type { Command } from 'commander'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { isLoopbackHost } from '../net/url-guard.ts'
import type { ServerInspection } from '../inspection.ts'
import type { KeyState } from '../vault/retire-key.ts'
import type { CommandLine } from './command.ts'
import type { Client, Configured, Environment } from './configuration.ts'
import { describe, exitCodes, table } from './terminal.ts'

/** What one check found. */
export interface Finding {
  /** What was checked: `store`, `callback slack-customers`, … */
  readonly check: string
  /** `warn` works for now. `skip` could not be checked. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip'
  readonly message: string
  /** What to do about it; absent when all is well. */
  readonly mend?: string
}

const slowStoreMs = 1_000
const clockWarnMs = 2_000
/** Webhook signatures and tokens of providers are judged by clocks that may be five minutes apart at most. */
const clockFailMs = 60_000
const oldestNode = [20, 19] as const

/** Adds `doctor`. */
export function doctorCommand(program: Command, cli: CommandLine): void {
  program
    .command('doctor')
    .description('check configuration, store, keys, clock, addresses and integrations; say how to mend each')
    .option('--offline', 'make no request to the server’s own address')
    .action(({ offline = false }: { offline?: boolean }) =>
      cli.run(async ({ terminal, process: { env } }) => {
        const findings = await examine(() => cli.configure(), env, offline)
        terminal.result({ findings }, findingsText(findings))
        return findings.some(({ status }) => status === 'fail') ? exitCodes.failed : exitCodes.done
      }),
    )
}

async function examine(
  configure: () => Promise<Configured>,
  env: Environment,
  offline: boolean,
): Promise<Finding[]> {
  const findings: Finding[] = [nodeFinding()]
  let configured: Configured
  try {
    configured = await configure()
  } catch (cause) {
    return [...findings, failed('configuration', cause)]
  }
  const { client, from } = configured
  const facts = client.inspect()
  findings.push({ check: 'configuration', status: 'ok', message: `read from ${from}` })
  findings.push(...(await addressFindings(facts, { env, offline, from })))
  try {
    findings.push(...(await storeFindings(client, facts)))
  } finally {
    await client.close()
  }
  return [...findings, ...integrationFindings(facts)]
}

function nodeFinding(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const fits = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])
  const message = `Node ${process.versions.node}`
  return fits
    ? { check: 'node', status: 'ok', message }
    : { check: 'node', status: 'fail', message, mend: `Use Node ${oldestNode.join('.')} or later.` }
}

interface AddressQuestion {
  readonly env: Environment
  readonly offline: boolean
  readonly from: string
}

async function addressFindings(facts: ServerInspection, question: AddressQuestion): Promise<Finding[]> {
  const { env, offline, from } = question
  const url = new URL(facts.baseUrl)
  const loopback = isLoopbackHost(url.hostname)
  if (from === 'environment variables' && env['AUTHFLOW_BASE_URL'] === undefined) {
    const mend = 'Set AUTHFLOW_BASE_URL to where browsers reach the server, or name a file with --config.'
    return [{ check: 'baseUrl', status: 'warn', message: 'is not set', mend }]
  }
  const findings: Finding[] = []
  if (loopback && env['NODE_ENV'] === 'production') {
    const message = `${facts.baseUrl} is this machine, in production`
    const mend = 'Set `baseUrl` to the public https address.'
    findings.push({ check: 'baseUrl', status: 'fail', message, mend })
  } else findings.push({ check: 'baseUrl', status: 'ok', message: facts.baseUrl })
  if (facts.development && !loopback) {
    const mend =
      'Leave `development` out: it is of no effect on a public address, and a trap on a loopback one.'
    findings.push({ check: 'development', status: 'warn', message: 'is on for a public address', mend })
  }
  return offline ? findings : [...findings, ...(await reach(facts.baseUrl, loopback))]
}

/** Asks the running server how it is, and what time it has. */
async function reach(baseUrl: string, loopback: boolean): Promise<Finding[]> {
  const check = 'server'
  const fetch = createGuardedFetch({ allowLoopback: loopback })
  try {
    const healthy = await fetch(`${baseUrl}/healthz`)
    const date = Date.parse(healthy.headers.get('date') ?? '')
    const body = await healthy.text()
    if (!healthy.ok || !body.includes('"ok"')) {
      const message = `${baseUrl}/healthz answers ${healthy.status}, and not as authflow does`
      return [{ check, status: 'fail', message, mend: 'Route the path of `baseUrl` to the authflow server.' }]
    }
    const ready = await fetch(`${baseUrl}/readyz`)
    const clock = Number.isFinite(date) ? [clockFinding('clock of the server', Date.now() - date)] : []
    if (ready.ok) return [{ check, status: 'ok', message: 'is up and ready' }, ...clock]
    const mend = 'Its log has the reason; the checks below may find it, too.'
    return [{ check, status: 'fail', message: `is up but not ready (${ready.status})`, mend }, ...clock]
  } catch (cause) {
    const { message } = describe(cause)
    const mend = 'Start it, or check name, certificate and firewall. --offline leaves this out.'
    return [{ check, status: 'warn', message: `can not be reached from here: ${message}`, mend }]
  } finally {
    await fetch.close()
  }
}

async function storeFindings(client: Client, facts: ServerInspection): Promise<Finding[]> {
  try {
    await client.start({ worker: false })
    const { storeMs, clockOffsetMs } = await client.check()
    const took = `${facts.store}, environment ${facts.environment}, a write and a read took ${Math.ceil(storeMs)} ms`
    const slow: Partial<Finding> =
      storeMs > slowStoreMs ? { status: 'warn', mend: 'Look at the database’s load and the way to it.' } : {}
    return [
      { check: 'store', status: 'ok', message: took, ...slow },
      clockFinding('clock', clockOffsetMs),
      ...keyFindings(await client.keys.list()),
    ]
  } catch (cause) {
    const { code } = describe(cause)
    const isKey = code.includes('key')
    return [failed(isKey ? 'keys' : 'store', cause)]
  }
}

function clockFinding(check: string, offsetMs: number): Finding {
  const off = Math.abs(offsetMs)
  const message = `${Math.round(off / 100) / 10} s apart`
  if (off < clockWarnMs) return { check, status: 'ok', message }
  const mend = 'Let NTP set the clocks of all machines.'
  return { check, status: off < clockFailMs ? 'warn' : 'fail', message, mend }
}

function keyFindings(states: readonly KeyState[]): Finding[] {
  const [current] = states
  if (!current) return []
  // This process has the key as well, so that equal numbers mean everybody.
  const without = Math.max(...states.map(({ readers }) => readers)) - current.readers
  const writers = states.filter(({ kid, writers: names }) => kid !== current.kid && names.length > 0)
  const findings: Finding[] = [
    { check: 'keys', status: 'ok', message: `fit the store; ${current.kid} writes` },
  ]
  if (without > 0) {
    const message = `${without} running processes do not have ${current.kid}, which writes`
    findings.push({ check: 'keys', status: 'fail', message, mend: 'Roll it out second everywhere first.' })
  }
  for (const { kid, writers: names } of writers) {
    const message = `${names.length} running processes still write with ${kid}, such as ${names[0]}`
    const mend = `Put ${current.kid} first in their ring, then run \`authflow keys rotate\`.`
    findings.push({ check: 'keys', status: 'warn', message, mend })
  }
  for (const { kid, state } of states) {
    if (state !== 'reading') continue
    const mend = `If it is an old one, run \`authflow keys rotate\` and \`authflow keys retire ${kid}\`.`
    findings.push({ check: 'keys', status: 'ok', message: `${kid} reads`, mend })
  }
  return findings
}

function integrationFindings({ integrations }: ServerInspection): Finding[] {
  if (integrations.length === 0) {
    const mend = 'Name the file that exports the client with --config.'
    return [{ check: 'integrations', status: 'skip', message: 'none are configured here', mend }]
  }
  return integrations.flatMap(({ id, methods, callbackUrl, clientId }): Finding[] => {
    const check = `integration ${id}`
    if (methods.length === 0) return [{ check, status: 'ok', message: 'acts with credentials from code' }]
    const ways: Finding = { check, status: 'ok', message: `connects by ${methods.join(', ')}` }
    if (callbackUrl === undefined) return [ways]
    const noClient = clientId === undefined || clientId.trim() === ''
    if (noClient) {
      const mend = 'Set `oauth.clientId` to that of your app at the provider.'
      return [{ check, status: 'fail', message: 'has no client id', mend }]
    }
    // Whether it is registered, only the provider knows.
    return [
      ways,
      { check: `callback ${id}`, status: 'ok', message: `register ${callbackUrl} for client ${clientId}` },
    ]
  })
}

function failed(check: string, cause: unknown): Finding {
  const { code, message, details } = describe(cause)
  const option = details.option === undefined ? '' : `Look at ${details.option}. `
  const mend = code === 'internal' ? 'Look at the file.' : `${option}docs/errors.md explains ${code}.`
  return { check, status: 'fail', message: `${message} (${code})`, mend }
}

function findingsText(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ check, status, message, mend }) => [
    [status, check, message],
    ...(mend === undefined ? [] : [['', '', `→ ${mend}`]]),
  ])
  const wrong = findings.filter(({ status }) => status === 'fail').length
  return `${table(['', 'CHECK', 'FOUND'], rows)}\n\n${wrong === 0 ? 'Nothing is wrong.' : `${wrong} wrong.`}`
}

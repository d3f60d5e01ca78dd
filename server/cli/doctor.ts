// authflow doctor: what is wrong with a configuration, and how to mend it.

import type { Command } from 'commander'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { isLoopbackHost } from '../net/url-guard.ts'
import type { ServerInspection } from '../inspection.ts'
import type { CommandLine } from './command.ts'
import type { Client, Configured, Environment } from './configuration.ts'
import {
  addressFindings,
  clockFinding,
  failed,
  integrationFindings,
  keyFindings,
  type Finding,
} from './findings.ts'
import { describe, exitCodes, table } from './terminal.ts'

const slowStoreMs = 1_000
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
  const isAddressKnown = from !== 'environment variables' || env['AUTHFLOW_BASE_URL'] !== undefined
  findings.push(...addressFindings(facts, { isAddressKnown, isProduction: env['NODE_ENV'] === 'production' }))
  if (isAddressKnown && !offline) findings.push(...(await reach(facts.baseUrl)))
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

/** Asks the running server how it is, and what time it has. */
export async function reach(baseUrl: string): Promise<Finding[]> {
  const check = 'server'
  const loopback = isLoopbackHost(new URL(baseUrl).hostname)
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
    const { code, message } = describe(cause)
    if (code === 'blocked_host') {
      const mend = `No request is sent there from here. Ask ${baseUrl}/healthz by other means; --offline leaves this out.`
      return [{ check, status: 'skip', message, mend }]
    }
    const mend = 'Start it, or check name, certificate and firewall. --offline leaves this out.'
    return [{ check, status: 'warn', message: `can not be reached from here: ${message}`, mend }]
  } finally {
    await fetch.close()
  }
}

/** Nothing is changed by it: who asks what is wrong may have the newer version, or another configuration. */
async function storeFindings(client: Client, facts: ServerInspection): Promise<Finding[]> {
  try {
    const { schema, answers, keys } = await client.examine()
    const place = `${facts.store}, environment ${facts.environment}`
    if (answers === undefined) {
      const mend = 'The first start of the server makes what it needs.'
      return [{ check: 'store', status: 'warn', message: `${place}: nothing is there yet`, mend }]
    }
    const message = `${place}, a write and a read took ${Math.ceil(answers.storeMs)} ms`
    const slow: Partial<Finding> =
      answers.storeMs > slowStoreMs
        ? { status: 'warn', mend: 'Look at the database’s load and the way to it.' }
        : {}
    return [
      { check: 'store', status: 'ok', message, ...slow },
      ...schemaFindings(schema),
      clockFinding('clock', answers.clockOffsetMs),
      ...keyFindings(keys),
    ]
  } catch (cause) {
    const { code } = describe(cause)
    const isKey = code.includes('key')
    return [failed(isKey ? 'keys' : 'store', cause)]
  }
}

function schemaFindings(schema: 'none' | 'older' | 'current'): Finding[] {
  if (schema !== 'older') return []
  const mend = 'The next start of this version brings it up to date, while older processes go on.'
  return [{ check: 'schema', status: 'warn', message: 'is that of another version', mend }]
}

function findingsText(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ check, status, message, mend }) => [
    [status, check, message],
    ...(mend === undefined ? [] : [['', '', `→ ${mend}`]]),
  ])
  const wrong = findings.filter(({ status }) => status === 'fail').length
  return `${table(['', 'CHECK', 'FOUND'], rows)}\n\n${wrong === 0 ? 'Nothing is wrong.' : `${wrong} wrong.`}`
}

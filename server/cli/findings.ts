// What the doctor's checks come to: each finding with how to mend it. Nothing is asked here.

import { errorTable, isErrorCode } from '../../shared/errors.ts'
import type { ServerInspection } from '../inspection.ts'
import { isLoopbackHost } from '../net/url-guard.ts'
import type { KeyState } from '../vault/retire-key.ts'
import { describe } from './terminal.ts'

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

const clockWarnMs = 2_000
/** Webhook signatures and tokens of providers are judged by clocks that may be five minutes apart at most. */
const clockFailMs = 60_000

/**
 * Whether `baseUrl` can be right.
 *
 * @param known whether it was configured at all, and whether this is production
 */
export function addressFindings(
  { baseUrl, development }: Pick<ServerInspection, 'baseUrl' | 'development'>,
  known: { readonly isAddressKnown: boolean; readonly isProduction: boolean },
): Finding[] {
  const check = 'baseUrl'
  if (!known.isAddressKnown) {
    const mend = 'Set AUTHFLOW_BASE_URL to where browsers reach the server, or name a file with --config.'
    return [{ check, status: 'warn', message: 'is not set', mend }]
  }
  const loopback = isLoopbackHost(new URL(baseUrl).hostname)
  if (loopback && known.isProduction) {
    const message = `${baseUrl} is this machine, in production`
    return [{ check, status: 'fail', message, mend: 'Set `baseUrl` to the public https address.' }]
  }
  const address: Finding = { check, status: 'ok', message: baseUrl }
  if (!development || loopback) return [address]
  const mend =
    'Leave `development` out: it is of no effect on a public address, and a trap on a loopback one.'
  return [address, { check: 'development', status: 'warn', message: 'is on for a public address', mend }]
}

/**
 * How far two clocks are apart.
 *
 * @param check whose clock it is
 */
export function clockFinding(check: string, offsetMs: number): Finding {
  const off = Math.abs(offsetMs)
  const message = `${Math.round(off / 100) / 10} s apart`
  if (off < clockWarnMs) return { check, status: 'ok', message }
  const mend = 'Let NTP set the clocks of all machines.'
  return { check, status: off < clockFailMs ? 'warn' : 'fail', message, mend }
}

/** What the running processes can do with the keys. Empty for a store without any. */
export function keyFindings(states: readonly KeyState[]): Finding[] {
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

/** How accounts connect, and what has to be registered for it. */
export function integrationFindings({ integrations }: ServerInspection): Finding[] {
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

/** Something that threw: what it says went wrong, and its own advice as what to do. */
export function failed(check: string, cause: unknown): Finding {
  const { code, message, details } = describe(cause)
  const option = details.option === undefined ? '' : `Look at ${details.option}. `
  if (code === 'internal')
    return { check, status: 'fail', message: `${message} (${code})`, mend: 'Look at the file.' }
  const [what, own] = sentencesOf(message)
  const usual = isErrorCode(code) ? sentencesOf(errorTable[code].help)[1] : ''
  const mend = `${option}${own || usual || `docs/errors.md explains ${code}.`}`
  return { check, status: 'fail', message: `${what} (${code})`, mend }
}

/** Messages say what is wrong first, and then what to do. */
function sentencesOf(message: string): readonly [what: string, advice: string] {
  const end = message.search(/\. (?=[A-Z])/)
  return end < 0 ? [message, ''] : [message.slice(0, end + 1), message.slice(end + 2)]
}

// What the demo is told by its command line and environment, checked before anything starts.

import { parseArgs } from 'node:util'
import { AuthFlowError } from '../shared/errors.ts'

/** The four services in the order of the page. */
export const serviceIds = ['slack', 'github', 'airtable', 'shopify'] as const

/** One of the demo's services. */
export type ServiceId = (typeof serviceIds)[number]

/** Client id and secret of the host's own app at a provider. */
export interface ProviderApp {
  readonly clientId: string
  readonly clientSecret: string
}

/** How the demo runs. */
export interface DemoOptions {
  /** Port of the product; the stand-ins and the second site take the five after it. */
  readonly port: number
  /** Folder of the database, the key file and the stand-ins' state. */
  readonly dataDirectory: string
  /** Absolute origin that browsers use. */
  readonly baseUrl: string
  /** Apps from the environment; empty means stand-ins. */
  readonly apps: Partial<Record<ServiceId, ProviderApp>>
  /** Lifetime of the stand-ins' access tokens, in seconds. */
  readonly tokenLifetimeSeconds: number
}

const defaultPort = 4300

/** Names of the environment variables that hold a service's app. */
export const variablesOf = (service: ServiceId): readonly [string, string] => [
  `${service.toUpperCase()}_CLIENT_ID`,
  `${service.toUpperCase()}_CLIENT_SECRET`,
]

/**
 * Reads options from arguments (`--port`, `--data`, `--token-lifetime`) and environment.
 *
 * @throws {@link AuthFlowError} `invalid_option`, `missing_option`, `invalid_base_url`
 */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): DemoOptions {
  const values = readArguments(args)
  const port = wholeNumber('--port', values.port ?? String(defaultPort), 1, 65_530)
  const apps = readApps(env)
  return {
    port,
    apps,
    dataDirectory: values.data ?? '.authflow',
    baseUrl: Object.keys(apps).length > 0 ? publicUrl(env['AUTHFLOW_BASE_URL']) : `http://localhost:${port}`,
    tokenLifetimeSeconds: wholeNumber('--token-lifetime', values['token-lifetime'] ?? '3600', 1, 86_400),
  }
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { port: { type: 'string' }, data: { type: 'string' }, 'token-lifetime': { type: 'string' } },
    }).values
  } catch (error) {
    const problem = error instanceof Error ? `${error.message.split('. ', 1)[0]?.replace(/\.$/, '')}. ` : ''
    throw new AuthFlowError('invalid_option', `${problem}There are --port, --data and --token-lifetime.`, {
      cause: error,
    })
  }
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new AuthFlowError('invalid_option', `${option} must be a whole number from ${min} to ${max}.`, {
    details: { option },
  })
}

function readApps(env: NodeJS.ProcessEnv): DemoOptions['apps'] {
  const apps: Partial<Record<ServiceId, ProviderApp>> = {}
  for (const service of serviceIds) {
    const [idName, secretName] = variablesOf(service)
    const clientId = env[idName]
    const clientSecret = env[secretName]
    if (!clientId && !clientSecret) continue
    if (!clientId || !clientSecret) {
      const option = clientId ? secretName : idName
      throw new AuthFlowError(
        'missing_option',
        `${option} is not set, but its other half is. Set both or neither.`,
        {
          details: { option },
        },
      )
    }
    apps[service] = { clientId, clientSecret }
  }
  return apps
}

function publicUrl(value: string | undefined): string {
  const option = 'AUTHFLOW_BASE_URL'
  if (!value) {
    throw new AuthFlowError(
      'missing_option',
      `${option} is not set. Real providers send people back to a public https address: set it to the address that reaches this demo.`,
      { details: { option } },
    )
  }
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol !== 'https:' || url.pathname !== '/' || url.search || url.hash) {
    throw new AuthFlowError(
      'invalid_base_url',
      `${option} must be an https origin such as https://demo.example.com.`,
      {
        details: { option },
      },
    )
  }
  return url.origin
}

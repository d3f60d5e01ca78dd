// Stand-ins for Slack, GitHub, Airtable and Shopify: real HTTP servers on loopback ports that speak the providers' own
// endpoints, so that a product can be tried and tested without an account anywhere. Nothing here leaves the machine.

import { AuthFlowError } from '../../shared/errors.ts'
import { startAirtable, type SandboxAirtable } from './airtable.ts'
import { startGithub, type SandboxGithub } from './github.ts'
import { startShopify, type SandboxShopify } from './shopify.ts'
import { startSlack, type SandboxSlack } from './slack.ts'
import { openState } from './state.ts'
import type { Running } from './stand-in.ts'

/** The stand-in providers. */
export type SandboxProvider = 'slack' | 'github' | 'airtable' | 'shopify'

/** Options of {@link startSandbox}. */
export interface SandboxOptions {
  /** Exact callback URLs of the apps: `http://localhost:3000/callback/slack-customers`. All apps take all of them. */
  readonly redirectUris: readonly string[]
  /** A loopback address (default `127.0.0.1`). */
  readonly host?: string
  /** (default 0: any free port) */
  readonly ports?: Partial<Record<SandboxProvider, number>>
  /** Keeps apps, grants, tokens and what arrived over restarts and kills (default: nothing is kept). */
  readonly stateFile?: string
  /**
   * Lifetime of access tokens in seconds. A number is for those whose tokens expire anyway, Airtable and Shopify
   * (default 3600); naming Slack or GitHub turns expiry with refresh tokens on for them.
   */
  readonly accessTokenLifetimeSeconds?: number | Partial<Record<SandboxProvider, number>>
  /** Sends `Cross-Origin-Opener-Policy: same-origin`, which cuts popups off from their opener as some providers do (default false). */
  readonly crossOriginOpenerPolicy?: boolean
}

/** The running stand-ins. */
export interface Sandbox {
  /** Workspaces Acme and Globex, each with #general and #random. */
  readonly slack: SandboxSlack
  /** Repositories acme/website and globex/reports, each with issue 1. */
  readonly github: SandboxGithub
  /** One base for each of two people. */
  readonly airtable: SandboxAirtable
  /** Shops acme.myshopify.com and globex.myshopify.com. */
  readonly shopify: SandboxShopify
  /** Stops all of them and cuts connections; the state file is complete. */
  close(): Promise<void>
}

const loopbackHosts = new Set(['127.0.0.1', '::1', 'localhost'])

function checkOptions({ host = '127.0.0.1', redirectUris }: SandboxOptions): void {
  const refuse = (option: string, text: string): never => {
    throw new AuthFlowError('invalid_option', `${option}: ${text}`, { details: { option } })
  }
  if (process.env['NODE_ENV'] === 'production') refuse('NODE_ENV', 'the stand-ins do not run in production.')
  if (!loopbackHosts.has(host)) refuse('host', 'the stand-ins listen on a loopback address only.')
  for (const uri of redirectUris)
    if (!URL.canParse(uri)) refuse('redirectUris', 'each must be an absolute URL.')
}

function lifetimeOf(
  provider: SandboxProvider,
  lifetimes: SandboxOptions['accessTokenLifetimeSeconds'],
): number | undefined {
  if (typeof lifetimes !== 'number') return lifetimes?.[provider]
  return provider === 'airtable' || provider === 'shopify' ? lifetimes : undefined
}

/**
 * Starts the four stand-ins.
 *
 * @throws {@link AuthFlowError} `invalid_option` (not a loopback host, in production, a broken state file),
 *   `port_in_use`
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  checkOptions(options)
  const { host = '127.0.0.1', ports = {}, redirectUris, stateFile, accessTokenLifetimeSeconds } = options
  const state = openState(stateFile)
  const headers: Record<string, string> = options.crossOriginOpenerPolicy
    ? { 'cross-origin-opener-policy': 'same-origin' }
    : {}
  const optionsOf = (provider: SandboxProvider) => ({
    state,
    host,
    headers,
    redirectUris,
    port: ports[provider] ?? 0,
    accessTokenSeconds: lifetimeOf(provider, accessTokenLifetimeSeconds),
  })
  const running: Running<unknown>[] = []
  const started = async <T>(start: Promise<Running<T>>): Promise<T> => {
    const one = await start
    running.push(one)
    return one.standIn
  }
  const close = async (): Promise<void> => {
    await Promise.all(running.map((one) => one.close()))
    state.flush()
  }
  const all = await Promise.allSettled([
    started(startSlack(optionsOf('slack'))),
    started(startGithub(optionsOf('github'))),
    started(startAirtable(optionsOf('airtable'))),
    started(startShopify(optionsOf('shopify'))),
  ])
  const [slack, github, airtable, shopify] = all
  if (
    slack.status === 'fulfilled' &&
    github.status === 'fulfilled' &&
    airtable.status === 'fulfilled' &&
    shopify.status === 'fulfilled'
  ) {
    await state.save()
    return {
      slack: slack.value,
      github: github.value,
      airtable: airtable.value,
      shopify: shopify.value,
      close,
    }
  }
  await close()
  throw all.find((one) => one.status === 'rejected')?.reason
}

// What every stand-in provider has in common: how it is started, what a test or the demo can do with it.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Person } from './consent-page.ts'
import { startServer, type Faults, type Reply, type Route } from './http.ts'
import type { AuthorizationServer } from './oauth.ts'
import type { StateFile } from './state.ts'

/** What {@link startSandbox} gives to each provider. */
export interface StandInOptions {
  readonly state: StateFile
  readonly host: string
  readonly port: number
  readonly redirectUris: readonly string[]
  /** Undefined: as the provider does. */
  readonly accessTokenSeconds: number | undefined
  /** Added to every answer. */
  readonly headers: Readonly<Record<string, string>>
}

/** A running stand-in provider. */
export interface StandIn<Endpoints> {
  /** Its origin: `http://127.0.0.1:4401`. The page there shows what arrived. */
  readonly url: string
  /** The app that is registered there; kept in the state file. */
  readonly client: { readonly clientId: string; readonly clientSecret: string }
  /** Give them to the integration's option `endpoints`. */
  readonly endpoints: Endpoints
  /** Who can be chosen on the consent page. */
  readonly people: readonly Person[]
  /** Orders faults for requests to come. */
  readonly faults: Faults
  /** How often each address was asked since the start: `POST /api/chat.postMessage`. */
  counts(): Readonly<Record<string, number>>
  /** Ends all access tokens; refresh tokens go on working. */
  expireTokens(): Promise<void>
  /** Ends all grants, as if every person had removed the app. */
  revokeGrants(): Promise<void>
  /**
   * Plays a person in front of the consent page, over HTTP as a browser would.
   *
   * @param person id of one of {@link StandIn.people} (default the first)
   * @returns the callback URL the browser would go to
   * @throws {@link AuthFlowError} `provider_error` when the page shows no question
   */
  consent(
    authorizationUrl: string | URL,
    choice?: { person?: string; decision?: 'allow' | 'deny' },
  ): Promise<URL>
}

/** A stand-in with the way to stop it, which only the sandbox has. */
export interface Running<T> {
  readonly standIn: T
  close(): Promise<void>
}

interface StartOptions {
  readonly name: string
  readonly routes: readonly Route[]
  readonly people: readonly Person[]
  readonly server: AuthorizationServer
  rateLimited(seconds: number): Reply
  notFound(): Reply
}

async function consent(
  people: readonly Person[],
  authorizationUrl: string | URL,
  { person = people[0]?.id ?? '', decision = 'allow' }: { person?: string; decision?: 'allow' | 'deny' } = {},
): Promise<URL> {
  const shown = await fetch(authorizationUrl, { redirect: 'manual' })
  const location = shown.headers.get('location')
  if (location !== null) return new URL(location)
  const request = /name="request" value="([^"]+)"/.exec(await shown.text())?.[1]
  if (request === undefined) {
    throw new AuthFlowError('provider_error', 'The stand-in shows no question at this address.', {
      details: { status: shown.status },
    })
  }
  const { origin, pathname } = new URL(authorizationUrl)
  const body = new URLSearchParams({ request, person, decision })
  const decided = await fetch(origin + pathname, { method: 'POST', body, redirect: 'manual' })
  const target = decided.headers.get('location')
  if (target === null) {
    throw new AuthFlowError('provider_error', 'The stand-in did not accept the choice.', {
      details: { status: decided.status },
    })
  }
  return new URL(target)
}

/** Starts the server of one provider and gives what is the same for all. */
export async function runStandIn(
  options: StandInOptions,
  start: StartOptions,
): Promise<Running<Omit<StandIn<never>, 'endpoints'>>> {
  const { host, port, headers } = options
  const { name, routes, people, server, rateLimited, notFound } = start
  const running = await startServer({ name, host, port, headers, routes, rateLimited, notFound })
  const standIn = {
    url: running.url,
    client: server.client,
    people,
    faults: running.faults,
    counts: running.counts,
    expireTokens: () => server.expireAccessTokens(),
    revokeGrants: () => server.revokeAll(),
    consent: (url: string | URL, choice?: { person?: string; decision?: 'allow' | 'deny' }) =>
      consent(people, url, choice),
  }
  return { standIn, close: running.close }
}

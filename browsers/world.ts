// Everything that a connect story needs, each a site of its own over HTTPS and HTTP/1.1: a product, the connect server on
// its own origin and once more on the product's, a provider where a person clicks, a portal that shows the product in a
// frame, and a network that delivers the file for a script tag.

import type { RequestListener } from 'node:http'
import { createClient } from '../server/client.ts'
import { apiKeyMethod, basicMethod, startKeyServer } from '../server/connect/fixtures/key-server.ts'
import { integrationOf } from '../server/connect/fixtures/workbench.ts'
import { honestMethod, startServer } from '../server/http/fixtures/attack-world.ts'
import { startSites, type Site } from '../server/http/fixtures/sites.ts'
import { listen } from '../server/oauth/fixtures/listen.ts'
import { createOidc } from '../server/oauth/fixtures/oidc.ts'
import { createCdn } from './cdn.ts'
import type { Window } from './engines/engine.ts'
import { createHost } from './host.ts'
import { createNetwork, passing } from './network.ts'

/** The world, running. */
export type World = Awaited<ReturnType<typeof startWorld>>

/** The integrations by OAuth; each has its own callback. */
export const oauthNames = ['crm', 'mail', 'files', 'chat', 'tasks', 'forms'] as const

/** Starts it. */
export async function startWorld() {
  const sites = await startSites()
  const [host, connect, idp] = [sites.origin('host'), sites.origin('connect'), sites.origin('provider')]
  const network = createNetwork()
  const { turns } = network
  const provider = createOidc(
    idp,
    [connect, host].flatMap((origin) => oauthNames.map((name) => `${origin}/callback/${name}`)),
  )
  const backchannel = await listen(() => passing(() => turns.tokens, provider.handler))
  const keys = await startKeyServer()
  const oauth = honestMethod(idp, backchannel.origin)
  const integrations = [
    ...oauthNames.map((name) => integrationOf(name, [oauth])),
    integrationOf('keys', [apiKeyMethod(keys)]),
    integrationOf('either', [oauth, apiKeyMethod(keys), basicMethod(keys)]),
  ]
  const [own, shared] = [
    await startReachable(connect, integrations),
    await startReachable(host, integrations),
  ]
  const cdn = createCdn(sites.origin('cdn'))
  const product = await createHost({ origin: host, servers: { connect: own, shared }, cdn })
  sites.serve('connect', network.lead(own.handler))
  const toShared = network.lead(shared.handler)
  sites.serve('host', (req, res) =>
    /^\/(connect|callback)\//.test(req.url ?? '') ? toShared(req, res) : product.listener(req, res),
  )
  sites.serve('provider', consentPages(turns, provider.handler, provider))
  sites.serve('evil', portal(host))
  sites.serve('cdn', cdn.listener)
  return {
    /** Origin of a site; `evil` is the portal. */
    origin: (site: Site) => sites.origin(site),
    product,
    provider,
    /** What stands between the browsers and the connect server. */
    network,
    /** Everything as it was at first. */
    restore: () => {
      network.restore()
      product.restore()
      provider.answer = 'allow'
    },
    /** Connections of an account at the server of its own origin. */
    connectionsOf: async (accountId: string) =>
      (await own.api.connections.list({ limit: 100 })).items.filter((one) => one.accountId === accountId),
    close: async () => {
      for (const part of [own, shared, backchannel, keys, sites]) await part.close()
    },
  }
}

/** A server that believes to be at the address, and the product's line to it. */
async function startReachable(url: string, integrations: Parameters<typeof startServer>[1]) {
  const { handler, secretKey, close } = await startServer(url, integrations)
  const inner = await listen(() => handler)
  return {
    url,
    handler,
    api: createClient({ url: inner.origin, secretKey }),
    close: async () => {
      await close()
      await inner.close()
    },
  }
}

/** The provider asks first: its page stays open until a person clicks. */
const consentPages =
  (
    turns: { readonly providerHeaders: Readonly<Record<string, string>> },
    handler: RequestListener,
    provider: { answer: 'allow' | 'deny' },
  ): RequestListener =>
  (req, res) => {
    for (const [name, value] of Object.entries(turns.providerHeaders)) res.setHeader(name, value)
    const url = new URL(req.url ?? '/', 'https://provider')
    const answer = url.searchParams.get('answer')
    if (url.pathname !== '/auth') return handler(req, res)
    if (answer === 'allow' || answer === 'deny') {
      provider.answer = answer
      return handler(req, res)
    }
    const link = (decision: string): string => {
      url.searchParams.set('answer', decision)
      return `<a id="${decision}" href="${`${url.pathname}${url.search}`.replaceAll('&', '&amp;')}">${decision}</a>`
    }
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    res.end(
      `<!doctype html><html lang="en"><title>Provider</title><h1>May the app?</h1>${link('allow')} ${link('deny')}</html>`,
    )
  }

/** Shows the product in a frame of another site, with the query that the portal itself was asked with. */
const portal =
  (host: string): RequestListener =>
  (req, res) => {
    const query = (req.url ?? '').replace(/^[^?]*\??/, '').replaceAll('&', '&amp;')
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    res.end(
      `<!doctype html><html lang="en"><title>Portal</title><iframe title="Product" src="${host}/?${query}" width="800" height="600"></iframe></html>`,
    )
  }

/** The trigger of a page that is ready. */
export const trigger = (integration = 'crm'): string =>
  `auth-flow[integration=${integration}] auth-trigger:defined button`

/** Waits until the flow of an integration is in a state. */
export const inState = (window: Window, state: string, integration = 'crm'): Promise<void> =>
  window.waitFor(`auth-flow[integration=${integration}][data-state=${state}]`)

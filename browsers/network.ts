// What stands between the browsers and the connect server: it counts requests, holds them up, and cuts the line.

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** A request to the connect server. */
export interface Call {
  readonly path: string
  readonly begun: number
  /** Undefined while it waits for its answer. */
  ended: number | undefined
}

/** What happens to a request before it is answered; it may answer itself. */
export type Before = (req: IncomingMessage, res: ServerResponse) => Promise<void> | void

const nothing: Before = () => undefined

/** The line to the connect server. */
export interface Network {
  readonly turns: {
    /** Requests of browsers to the connect server. */
    before: Before
    /** Requests of the connect server to the provider. */
    tokens: Before
    /** Headers of the provider's pages. */
    providerHeaders: Readonly<Record<string, string>>
  }
  /** Requests of browsers to the connect server, in order, without preflights. */
  readonly calls: readonly Call[]
  /** Drops what is under way, and every request from now on until it is false again. */
  cut(cut: boolean): void
  /** Nothing is held up nor cut. */
  restore(): void
  /** Leads requests to a server. */
  lead(server: RequestListener): RequestListener
}

/** A line that does nothing yet. */
export function createNetwork(): Network {
  const calls: Call[] = []
  const open = new Set<IncomingMessage>()
  let isCut = false
  const network: Network = {
    turns: { before: nothing, tokens: nothing, providerHeaders: {} },
    calls,
    cut: (cut) => {
      isCut = cut
      if (cut) for (const { socket } of open) socket.destroy()
    },
    restore: () => {
      isCut = false
      Object.assign(network.turns, { before: nothing, tokens: nothing, providerHeaders: {} })
    },
    lead: (server) => {
      const pass = passing(() => network.turns.before, server)
      return (req, res) => {
        if (isCut) return void req.socket.destroy()
        const call: Call = { path: req.url?.split('?')[0] ?? '', begun: Date.now(), ended: undefined }
        if (req.method !== 'OPTIONS') calls.push(call)
        open.add(req)
        res.once('close', () => {
          open.delete(req)
          call.ended = Date.now()
        })
        pass(req, res)
      }
    },
  }
  return network
}

/** Lets requests through to a server once `before` is done with them. Their bodies wait in the socket. */
export const passing =
  (before: () => Before, server: RequestListener): RequestListener =>
  (req, res) =>
    void Promise.resolve(before()(req, res)).then(() => {
      if (!res.headersSent && !res.destroyed) server(req, res)
    })

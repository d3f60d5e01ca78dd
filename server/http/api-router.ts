// The server API, `<basePath>/api/trpc`: what the team's other backends may do with a secret key. The checks stand in
// the procedures, so that no way of calling them can miss one.

import { initTRPC } from '@trpc/server'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Connect, SecretKeyScope } from '../connect/connect.ts'
import type { SecretKeys } from '../connect/secret-keys.ts'
import type { JobEngine } from '../jobs/engine.ts'
import {
  authInput,
  connectionInput,
  connectionsInput,
  connectTokenInput,
  eventInput,
  runInput,
  runsInput,
} from './inputs.ts'
import { rootOptions } from './trpc.ts'

/** What a call of the server API knows. */
export interface ApiContext {
  readonly connect: Connect
  readonly engine: JobEngine
  readonly keys: SecretKeys
  /** The bearer of the request. */
  readonly key: string | undefined
  /** True when the request has `Origin` or `Sec-Fetch-Site`. */
  readonly fromBrowser: boolean
}

const { router, procedure } = initTRPC.context<ApiContext>().create(rootOptions)

const backendOnly = procedure.use(({ ctx, next }) => {
  if (ctx.fromBrowser) throw new AuthFlowError('secret_key_in_browser')
  return next()
})

/** A procedure for keys with the scope; `ctx.actor` is the key's id. */
const scoped = (scope: SecretKeyScope) =>
  backendOnly.use(({ ctx, next }) => next({ ctx: { actor: ctx.keys.check(ctx.key, scope).id } }))

/** The server API: credentials, connect tokens, connections, events and runs. */
export const apiRouter = router({
  auth: router({
    // A mutation, because it may refresh, and so that it is a POST that nothing caches.
    get: backendOnly.input(authInput).mutation(({ ctx, input }) => {
      ctx.keys.check(ctx.key, 'auth:read', input.id)
      return ctx.connect.getAuth(input)
    }),
  }),
  connectTokens: router({
    create: scoped('connect:create')
      .input(connectTokenInput)
      .mutation(({ ctx, input }) => ctx.connect.createToken(input, ctx.actor)),
  }),
  connections: router({
    list: scoped('connections:write')
      .input(connectionsInput)
      .query(({ ctx, input }) => ctx.connect.listConnections(input)),
    get: scoped('connections:write')
      .input(connectionInput)
      .query(({ ctx, input }) => ctx.connect.getConnection(input)),
    disconnect: scoped('connections:write')
      .input(connectionInput)
      .mutation(({ ctx, input }) => ctx.connect.disconnect(input, ctx.actor)),
  }),
  events: router({
    send: scoped('jobs:write')
      .input(eventInput)
      .mutation(({ ctx, input: { event, accountId } }) => {
        const { timestamp, ...rest } = event
        return ctx.engine.sendEvent(
          { ...rest, ...(timestamp === undefined ? {} : { timestamp: new Date(timestamp) }) },
          accountId === undefined ? {} : { accountId },
        )
      }),
  }),
  runs: router({
    list: scoped('jobs:write')
      .input(runsInput)
      .query(({ ctx, input }) => ctx.engine.listRuns(input)),
    get: scoped('jobs:write')
      .input(runInput)
      .query(({ ctx, input }) => ctx.engine.getRun(input.id)),
  }),
})

/** Type of the server API. */
export type ApiRouter = typeof apiRouter

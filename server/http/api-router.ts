// The server API, `<basePath>/api/trpc`: what the team's other backends may do with a secret key. The checks stand in
// the procedures, so that no way of calling them can miss one.

import { initTRPC } from '@trpc/server'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { Connect, GuessGuard, SecretKeyScope } from '../connect/connect.ts'
import { listSecretKeys } from '../connect/key-uses.ts'
import type { SecretKeys } from '../connect/secret-keys.ts'
import type { EventInput, JobEngine, SendEventOptions } from '../jobs/engine.ts'
import type { ScheduleBook } from '../jobs/schedule-book.ts'
import type { Registrations } from '../triggers/registrations.ts'
import {
  auditInput,
  authInput,
  confirmInput,
  confirmPageInput,
  connectionInput,
  connectionsInput,
  connectLinkInput,
  connectPageInput,
  connectTokenInput,
  disconnectInput,
  eventInput,
  eventNameInput,
  eventsInput,
  batchInvokeInput,
  invokeInput,
  jobRunsInput,
  metadataInput,
  noInput,
  renameAccountInput,
  renameIntegrationInput,
  registerInput,
  registrationInput,
  registrationsInput,
  revokeTokensInput,
  runInput,
  runPageInput,
  runsInput,
  scheduleInput,
  scheduleNameInput,
  schedulesInput,
  valueInput,
  valueNameInput,
} from './inputs.ts'
import { rootOptions } from './trpc.ts'

/** What a call of the server API knows. */
export interface ApiContext {
  readonly connect: Connect
  readonly engine: JobEngine
  readonly registrations: Registrations
  readonly schedules: Pick<ScheduleBook, 'register' | 'unregister' | 'list'>
  readonly keys: SecretKeys
  /** The bearer of the request. */
  readonly key: string | undefined
  /** True when the request has `Origin` or `Sec-Fetch-Site`. */
  readonly fromBrowser: boolean
  readonly guesses: GuessGuard
  /** Calls back as part of what the caller says it is doing. */
  traced<T>(work: () => T): T
}

const { router, procedure } = initTRPC.context<ApiContext>().create(rootOptions)

/** The key of a call that no browser sent. Every procedure begins with it: whatever calls one, it is judged here. */
function requireKey(ctx: ApiContext, scope: SecretKeyScope, integration?: string): { readonly id: string } {
  if (ctx.fromBrowser) throw new AuthFlowError('secret_key_in_browser')
  try {
    const key = ctx.keys.check(ctx.key, scope, integration)
    ctx.connect.noteKeyUse(key.id)
    return key
  } catch (error) {
    if (isAuthFlowError(error) && error.code === 'key_invalid') ctx.guesses.wrong()
    throw error
  }
}

/** A procedure for keys with the scope; `ctx.actor` is the key's id. */
const scoped = (scope: SecretKeyScope) =>
  procedure.use(({ ctx, next }) => {
    const { id: actor } = requireKey(ctx, scope)
    return ctx.traced(() => next({ ctx: { actor } }))
  })

/** Instants cross the wire as ISO 8601. */
const readEvent = ({
  timestamp,
  ...rest
}: Omit<EventInput, 'timestamp'> & { readonly timestamp?: string }): EventInput => ({
  ...rest,
  ...(timestamp === undefined ? {} : { timestamp: new Date(timestamp) }),
})

const readSendOptions = ({
  deliverAt,
  ...rest
}: Omit<SendEventOptions, 'deliverAt'> & { readonly deliverAt?: string }): SendEventOptions => ({
  ...rest,
  ...(deliverAt === undefined ? {} : { deliverAt: new Date(deliverAt) }),
})

/** The server API: credentials, connect tokens, connections, events and runs. */
export const apiRouter = router({
  auth: router({
    // A mutation, because it may refresh, and so that it is a POST that nothing caches.
    // The key is judged in the resolver and not in a middleware, because its limits need the input, and each middleware
    // of tRPC copies what it hands on.
    get: procedure.input(authInput).mutation(({ ctx, input }) => {
      const key = requireKey(ctx, 'auth:read', input.id)
      return ctx.connect.getAuth(input, { key: key.id })
    }),
  }),
  connectTokens: router({
    create: scoped('connect:create')
      .input(connectTokenInput)
      .mutation(({ ctx, input }) => ctx.connect.createToken(input, ctx.actor)),
    revoke: scoped('connect:create')
      .input(revokeTokensInput)
      .mutation(async ({ ctx, input }) => ({ revoked: await ctx.connect.revokeTokens(input, ctx.actor) })),
  }),
  secretKeys: router({
    list: scoped('admin')
      .input(noInput)
      .query(({ ctx }) => listSecretKeys(ctx.keys, ctx.connect.keyUses)),
  }),
  connectLinks: router({
    create: scoped('connect:create')
      .input(connectLinkInput)
      .mutation(({ ctx, input }) => ctx.connect.createLink(input, ctx.actor)),
  }),
  connectPages: router({
    create: scoped('connect:create')
      .input(connectPageInput)
      .mutation(({ ctx, input }) => ctx.connect.createPage(input, ctx.actor)),
    confirm: scoped('connect:create')
      .input(confirmPageInput)
      .mutation(({ ctx, input }) => ctx.connect.confirmPage(input)),
  }),
  connections: router({
    // The backend that makes links also confirms them; it need not see or end connections.
    confirm: scoped('connect:create')
      .input(confirmInput)
      .mutation(({ ctx, input }) => ctx.connect.confirm(input)),
    list: scoped('connections:write')
      .input(connectionsInput)
      .query(({ ctx, input }) => ctx.connect.listConnections(input)),
    get: scoped('connections:write')
      .input(connectionInput)
      .query(({ ctx, input }) => ctx.connect.getConnection(input)),
    disconnect: scoped('connections:write')
      .input(disconnectInput)
      .mutation(({ ctx, input }) => ctx.connect.disconnect(input, ctx.actor)),
    setMetadata: scoped('connections:write')
      .input(metadataInput)
      .mutation(({ ctx, input }) => ctx.connect.setMetadata(input, ctx.actor)),
  }),
  accounts: router({
    rename: scoped('admin')
      .input(renameAccountInput)
      .mutation(({ ctx, input }) => ctx.connect.renameAccount(input, ctx.actor)),
  }),
  integrations: router({
    rename: scoped('admin')
      .input(renameIntegrationInput)
      .mutation(({ ctx, input }) => ctx.connect.renameIntegration(input, ctx.actor)),
  }),
  audit: router({
    list: scoped('admin')
      .input(auditInput)
      .query(({ ctx, input }) => ctx.connect.listAudit(input)),
  }),
  events: router({
    send: scoped('jobs:write')
      .input(eventInput)
      .mutation(({ ctx, input: { event, ...options } }) =>
        ctx.engine.sendEvent(readEvent(event), readSendOptions(options)),
      ),
    sendMany: scoped('jobs:write')
      .input(eventsInput)
      .mutation(({ ctx, input: { events, ...options } }) =>
        ctx.engine.sendEvents(events.map(readEvent), readSendOptions(options)),
      ),
    get: scoped('jobs:read')
      .input(eventNameInput)
      .query(({ ctx, input: { id, ...scope } }) => ctx.engine.getEvent(id, scope)),
    cancel: scoped('jobs:write')
      .input(eventNameInput)
      .mutation(({ ctx, input: { id, ...scope } }) => ctx.engine.cancelEvent(id, scope)),
  }),
  jobs: router({
    batchInvoke: scoped('jobs:write')
      .input(batchInvokeInput)
      .mutation(({ ctx, input: { job, items } }) => ctx.engine.batchInvoke(job, items)),
    invoke: scoped('jobs:write')
      .input(invokeInput)
      .mutation(({ ctx, input: { job, payload, ...options } }) => ctx.engine.invoke(job, payload, options)),
  }),
  runs: router({
    list: scoped('jobs:read')
      .input(runsInput)
      .query(({ ctx, input }) => ctx.engine.listRuns(input)),
    get: scoped('jobs:read')
      .input(runPageInput)
      .query(({ ctx, input: { id, ...page } }) => ctx.engine.describeRun(id, page)),
    statuses: scoped('jobs:read')
      .input(runInput)
      .query(({ ctx, input }) => ctx.engine.getRunStatuses(input.id)),
    log: scoped('jobs:read')
      .input(runInput)
      .query(({ ctx, input }) => ctx.engine.getRunLog(input.id)),
    cancel: scoped('jobs:write')
      .input(runInput)
      .mutation(({ ctx, input }) => ctx.engine.cancelRun(input.id)),
    cancelForEvent: scoped('jobs:write')
      .input(eventNameInput)
      .mutation(({ ctx, input: { id, ...scope } }) => ctx.engine.cancelRunsForEvent(id, scope)),
    cancelForJob: scoped('jobs:write')
      .input(jobRunsInput)
      .mutation(({ ctx, input: { job, ...options } }) => ctx.engine.cancelRunsForJob(job, options)),
    replay: scoped('jobs:write')
      .input(runInput)
      .mutation(({ ctx, input }) => ctx.engine.replayRun(input.id)),
    resume: scoped('jobs:write')
      .input(runInput)
      .mutation(({ ctx, input }) => ctx.engine.resumeRun(input.id)),
  }),
  registrations: router({
    register: scoped('jobs:write')
      .input(registerInput)
      .mutation(({ ctx, input }) => ctx.registrations.register(input)),
    unregister: scoped('jobs:write')
      .input(registrationInput)
      .mutation(({ ctx, input }) => ctx.registrations.unregister(input)),
    rotateSecret: scoped('jobs:write')
      .input(registrationInput)
      .mutation(({ ctx, input }) => ctx.registrations.rotateSecret(input, ctx.actor)),
    get: scoped('jobs:read')
      .input(registrationInput)
      .query(({ ctx, input }) => ctx.registrations.get(input)),
    list: scoped('jobs:read')
      .input(registrationsInput)
      .query(({ ctx, input }) => ctx.registrations.list(input)),
  }),
  schedules: router({
    register: scoped('jobs:write')
      .input(scheduleInput)
      .mutation(({ ctx, input }) => ctx.schedules.register(input)),
    unregister: scoped('jobs:write')
      .input(scheduleNameInput)
      .mutation(({ ctx, input }) => ctx.schedules.unregister(input.schedule, input.key)),
    list: scoped('jobs:read')
      .input(schedulesInput)
      .query(({ ctx, input }) => ctx.schedules.list(input)),
  }),
  store: router({
    get: scoped('jobs:read')
      .input(valueNameInput)
      .query(({ ctx, input }) => ctx.engine.values.get(input.name)),
    has: scoped('jobs:read')
      .input(valueNameInput)
      .query(({ ctx, input }) => ctx.engine.values.has(input.name)),
    set: scoped('jobs:write')
      .input(valueInput)
      .mutation(({ ctx, input }) => ctx.engine.values.set(input.name, input.value)),
    delete: scoped('jobs:write')
      .input(valueNameInput)
      .mutation(({ ctx, input }) => ctx.engine.values.delete(input.name)),
  }),
})

/** Type of the server API. */
export type ApiRouter = typeof apiRouter

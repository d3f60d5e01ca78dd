// The public tRPC router, `<basePath>/connect/trpc`: what a page may do with a connect token. It never returns a
// credential. Token, origin, purpose, account and integration are judged inside the service calls.

import { initTRPC } from '@trpc/server'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Connect, TokenCaller } from '../connect/connect.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { Drain } from './drain.ts'
import {
  beginInput,
  cancelInput,
  connectTokenInput,
  describeInput,
  noInput,
  optionsInput,
  ownConnectionInput,
  ownRunsInput,
  runInput,
  submitInput,
  watchInput,
} from './inputs.ts'
import { rootOptions } from './trpc.ts'

/** What a call of the public router knows. */
export interface ConnectContext {
  readonly connect: Connect
  readonly engine: JobEngine
  readonly caller: TokenCaller
  readonly drain: Drain
  /** False when the host switched `integrations.describe` off. */
  readonly describe: boolean
  /** Says in which language the answer is. */
  speaks(language: string): void
  /** True when the request meets every condition of development mode. */
  readonly developer: boolean
}

const { router, procedure } = initTRPC.context<ConnectContext>().create(rootOptions)

/** The public router: flows, the account's own connections and runs. */
export const connectRouter = router({
  integrations: router({
    describe: procedure.input(describeInput).query(({ ctx, input }) => {
      if (!ctx.describe)
        throw new AuthFlowError('not_found', '`integrations.describe` is switched off on this server.')
      const { languages = [] } = ctx.caller
      const wanted = input.locale === undefined ? languages : [input.locale, ...languages]
      const view = ctx.connect.describe(input.integration, wanted)
      ctx.speaks(view.language)
      return view
    }),
  }),
  flows: router({
    begin: procedure.input(beginInput).mutation(({ ctx, input }) => ctx.connect.begin(ctx.caller, input)),
    submit: procedure.input(submitInput).mutation(({ ctx, input }) => ctx.connect.submit(ctx.caller, input)),
    options: procedure.input(optionsInput).query(({ ctx, input }) => ctx.connect.options(ctx.caller, input)),
    watch: procedure
      .input(watchInput)
      .query(({ ctx, input, signal }) =>
        ctx.drain.hold(signal, (held) => ctx.connect.watch(ctx.caller, input, held)),
      ),
    cancel: procedure.input(cancelInput).mutation(({ ctx, input }) => ctx.connect.cancel(ctx.caller, input)),
  }),
  connections: router({
    list: procedure.input(noInput).query(({ ctx }) => ctx.connect.listOwn(ctx.caller)),
    disconnect: procedure
      .input(ownConnectionInput)
      .mutation(({ ctx, input }) => ctx.connect.disconnectOwn(ctx.caller, input)),
  }),
  runs: router({
    list: procedure.input(ownRunsInput).query(async ({ ctx, input }) => {
      const accountId = await ctx.connect.runsAccount(ctx.caller)
      return ctx.engine.listRuns({ ...input, accountId })
    }),
    get: procedure.input(runInput).query(async ({ ctx, input }) => {
      const accountId = await ctx.connect.runsAccount(ctx.caller)
      return ctx.engine.getRun(input.id, accountId)
    }),
    statuses: procedure.input(runInput).query(async ({ ctx, input }) => {
      const accountId = await ctx.connect.runsAccount(ctx.caller)
      return ctx.engine.getRunStatuses(input.id, accountId)
    }),
  }),
  connectTokens: router({
    create: procedure.input(connectTokenInput).mutation(({ ctx, input }) => {
      if (!ctx.developer) throw new AuthFlowError('development_only')
      return ctx.connect.createToken(input, 'development')
    }),
  }),
})

/** Type of the public router: the one thing the front end imports from the server. */
export type ConnectRouter = typeof connectRouter

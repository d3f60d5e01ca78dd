// Runs calls of a tRPC router under Koa. A known procedure called with one plain JSON body goes straight to the
// procedure, without the Request, Response and streams of the official adapter, which cost several times the call.
// Everything else (batches, GET, unknown paths, other content types) goes to the adapter. Same status, content type
// and body on both ways; fast-path.test.ts compares them.

import {
  getTRPCErrorFromUnknown,
  getTRPCErrorShape,
  TRPCError,
  type AnyTRPCProcedure,
  type AnyTRPCRouter,
  type inferRouterContext,
} from '@trpc/server'
import { nodeHTTPRequestHandler } from '@trpc/server/adapters/node-http'
import type { Context } from 'koa'
import type { Logger } from '../../shared/log.ts'
import { readBody } from './body.ts'
import { retryAfterOf } from './retry-after.ts'
import { toCallError } from './trpc.ts'

/** Calls a batch may hold. */
const batchLimit = 10

/** What the adapter says its answers depend on. */
const adapterVary = 'trpc-accept, accept'

/** A router and how it is served. */
export interface CallHandlerOptions<R extends AnyTRPCRouter> {
  readonly router: R
  /** Bytes the body of a call may have, by the last segment of the URL's path. */
  bodyLimit(path: string): number
  /** Headers that the adapter's answers have beside its own. It writes over those that were set before. */
  adapterHeaders?(ctx: Context, failed: boolean): Headers
  readonly log: Logger
}

/**
 * Answers one request. `path` is the URL's last segment as it was sent; `context` is called at most once, and what it
 * throws is the call's error.
 */
export type CallHandler<R extends AnyTRPCRouter> = (
  ctx: Context,
  path: string,
  context: () => Promise<inferRouterContext<R>>,
) => Promise<void>

/** One request as both ways take it. */
interface Call<R extends AnyTRPCRouter> {
  readonly path: string
  readonly context: () => Promise<inferRouterContext<R>>
  /** The body of a POST. */
  readonly text: string | undefined
}

/** A call with a body, for a procedure that is there. Nothing of it depends on which router it came from. */
interface DirectCall {
  readonly path: string
  readonly context: () => Promise<object>
  readonly text: string
}

type Outcome = { readonly data: unknown } | { readonly error: TRPCError }

/** Makes the handler of a router's calls. */
export function createCallHandler<R extends AnyTRPCRouter>(options: CallHandlerOptions<R>): CallHandler<R> {
  const { router, log } = options
  const procedures = new Map<string, AnyTRPCProcedure>(Object.entries(router._def.procedures))

  return async (ctx, path, context) => {
    try {
      const text = ctx.method === 'POST' ? await readBody(ctx.req, options.bodyLimit(path)) : undefined
      const procedure = procedures.get(path)
      if (procedure && text !== undefined && isPlain(ctx)) {
        answer(ctx, router, { data: await callDirectly(ctx, procedure, { path, context, text }) })
      } else {
        await callAdapter(ctx, options, { path, context, text })
      }
    } catch (cause) {
      const error = getTRPCErrorFromUnknown(cause)
      logFailure(log, error, path)
      answer(ctx, router, { error })
    }
  }
}

/** Mutations run to their end whether or not the caller stays, so they share a signal that never aborts. */
const never = new AbortController().signal

/** The procedure's result. The signal of a query aborts when the caller leaves. */
async function callDirectly(
  ctx: Context,
  procedure: AnyTRPCProcedure,
  { path, text, context }: DirectCall,
): Promise<unknown> {
  const { type } = procedure._def
  const call = {
    path,
    type,
    ctx: await context(),
    getRawInput: async () => parseJson(text),
    batchIndex: 0,
  }
  if (type === 'mutation') return procedure({ ...call, signal: never })
  const left = new AbortController()
  const onClose = (): void => {
    if (!ctx.res.writableEnded) left.abort()
  }
  ctx.res.once('close', onClose)
  try {
    return await procedure({ ...call, signal: left.signal })
  } finally {
    ctx.res.off('close', onClose)
  }
}

/** Lets the official adapter answer. It never throws. */
async function callAdapter<R extends AnyTRPCRouter>(
  ctx: Context,
  options: CallHandlerOptions<R>,
  { path, text, context }: Call<R>,
): Promise<void> {
  const { req, res } = ctx
  ctx.respond = false
  res.statusCode = 200 // Koa has preset 404, which the adapter would keep.
  const closed = new Promise<void>((resolve) => res.once('close', resolve))
  const takeBack = text === undefined ? undefined : provideBody(req, text)
  const handled = nodeHTTPRequestHandler({
    router: options.router,
    req,
    res,
    path,
    createContext: context,
    allowMethodOverride: true,
    maxBatchSize: batchLimit,
    responseMeta: ({ errors }) => {
      const headers = options.adapterHeaders?.(ctx, errors.length > 0) ?? new Headers()
      const waits = errors.map((error) => Number(retryAfterOf(toCallError(error)) ?? 0))
      const wait = Math.max(0, ...waits)
      if (wait > 0) headers.set('retry-after', String(wait))
      return { headers }
    },
    onError: ({ error, path: failed }) => logFailure(options.log, error, failed),
  })
  // The adapter waits for the response to be sent, which never happens when the caller has left.
  await Promise.race([handled, closed])
  takeBack?.()
}

/** One call with a JSON body and nothing that asks for another form of answer. */
function isPlain(ctx: Context): boolean {
  const { headers } = ctx.req
  if (ctx.querystring !== '') return false
  if (headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() !== 'application/json') return false
  return headers['trpc-accept'] === undefined && !headers.accept?.includes('jsonl')
}

function parseJson(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TRPCError({ code: 'BAD_REQUEST', cause })
  }
}

function answer(ctx: Context, router: AnyTRPCRouter, outcome: Outcome): void {
  const config = router._def._config
  const { serialize } = config.transformer.output
  const failed = 'error' in outcome
  const about = { config, type: 'unknown', path: undefined, input: undefined, ctx: undefined } as const
  const envelope = failed
    ? { error: serialize(getTRPCErrorShape({ ...about, error: outcome.error })) }
    : { result: { data: serialize(outcome.data) } }
  const { res } = ctx
  ctx.status = failed ? statusOf(outcome.error) : 200
  if (res.hasHeader('vary')) ctx.vary(adapterVary)
  else res.setHeader('vary', adapterVary)
  res.setHeader('content-type', 'application/json')
  const wait = failed ? retryAfterOf(toCallError(outcome.error)) : undefined
  if (wait !== undefined) res.setHeader('retry-after', wait)
  ctx.body = JSON.stringify(envelope)
}

function statusOf(error: TRPCError): number {
  const failure = toCallError(error)
  return failure.exposed ? failure.status : 500
}

/** Hands the text to the adapter; the result takes it away: it may hold an API key that the host's log must not see. */
function provideBody(req: Context['req'], text: string): () => void {
  const before = Object.getOwnPropertyDescriptor(req, 'body')
  Object.defineProperty(req, 'body', { value: text, configurable: true, enumerable: false })
  return () => {
    Reflect.deleteProperty(req, 'body')
    if (before) Object.defineProperty(req, 'body', before)
  }
}

function logFailure(log: Logger, error: TRPCError, path: string | undefined): void {
  const failure = toCallError(error)
  const facts = { call: path?.slice(0, 64), code: failure.code }
  if (!failure.exposed) log.error({ ...facts, err: failure }, 'A call failed.')
  else if (failure.status >= 500) log.warn(facts, 'A call failed.')
}

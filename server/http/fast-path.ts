// Runs calls of a tRPC router under Koa. A known procedure called with one plain JSON body goes straight to the
// procedure, without the Request, Response and streams of the official adapter, which cost several times the call.
// Everything else (batches, GET, unknown paths, other content types) goes to the adapter. Same status, content type
// and body on both ways; fast-path.test.ts compares them.

import {
  callTRPCProcedure,
  getTRPCErrorFromUnknown,
  getTRPCErrorShape,
  TRPCError,
  transformTRPCResponse,
  type AnyTRPCProcedure,
  type AnyTRPCRouter,
  type inferRouterContext,
} from '@trpc/server'
import { nodeHTTPRequestHandler } from '@trpc/server/adapters/node-http'
import type { Context } from 'koa'
import type { Logger } from '../../shared/log.ts'
import { readBody } from './body.ts'
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
 * Answers one request. `path` is the URL's last segment as it was sent; `context` is called once, and what it throws is
 * the call's error.
 */
export type CallHandler<R extends AnyTRPCRouter> = (
  ctx: Context,
  path: string,
  context: () => Promise<inferRouterContext<R>>,
) => Promise<void>

/** Makes the handler of a router's calls. */
export function createCallHandler<R extends AnyTRPCRouter>(options: CallHandlerOptions<R>): CallHandler<R> {
  const { router, log } = options
  const procedures = new Map<string, AnyTRPCProcedure>(Object.entries(router._def.procedures))
  const report = (error: TRPCError, path: string | undefined): void => logFailure(log, error, path)

  return async (ctx, path, context) => {
    let text: string | undefined
    if (ctx.method === 'POST') {
      try {
        text = await readBody(ctx.req, options.bodyLimit(path))
      } catch (error) {
        return answer(ctx, router, failure(error, path))
      }
    }
    const procedure = procedures.get(path)
    if (procedure && text !== undefined && isPlain(ctx)) {
      return answer(ctx, router, await callDirectly(ctx, { procedure, path, text, context }))
    }
    await callAdapter(ctx, { path, text, context })
  }

  function failure(cause: unknown, path: string): Outcome {
    const error = getTRPCErrorFromUnknown(cause)
    report(error, path)
    return { error }
  }

  async function callDirectly(ctx: Context, call: DirectCall<R>): Promise<Outcome> {
    const { procedure, path, text, context } = call
    const left = new AbortController()
    const onClose = (): void => {
      if (!ctx.res.writableEnded) left.abort()
    }
    ctx.res.once('close', onClose)
    try {
      const data: unknown = await callTRPCProcedure({
        router,
        path,
        type: procedure._def.type,
        ctx: await context(),
        getRawInput: async () => parseJson(text),
        signal: left.signal,
        batchIndex: 0,
      })
      return { data }
    } catch (cause) {
      return failure(cause, path)
    } finally {
      ctx.res.off('close', onClose)
    }
  }

  async function callAdapter(
    ctx: Context,
    {
      path,
      text,
      context,
    }: { path: string; text: string | undefined; context: () => Promise<inferRouterContext<R>> },
  ): Promise<void> {
    const { req, res } = ctx
    ctx.respond = false
    res.statusCode = 200 // Koa has preset 404, which the adapter would keep.
    const closed = new Promise<void>((resolve) => res.once('close', resolve))
    const restore = text === undefined ? undefined : provideBody(req, text)
    const handled = nodeHTTPRequestHandler({
      router,
      req,
      res,
      path,
      createContext: context,
      allowMethodOverride: true,
      maxBatchSize: batchLimit,
      responseMeta: ({ errors }) => ({
        headers: options.adapterHeaders?.(ctx, errors.length > 0) ?? new Headers(),
      }),
      onError: ({ error, path: failed }) => report(error, failed),
    })
    // The adapter waits for the response to be sent, which never happens when the caller has left.
    await Promise.race([handled, closed])
    restore?.()
  }
}

type Outcome = { readonly data: unknown } | { readonly error: TRPCError }

interface DirectCall<R extends AnyTRPCRouter> {
  readonly procedure: AnyTRPCProcedure
  readonly path: string
  readonly text: string
  readonly context: () => Promise<inferRouterContext<R>>
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
  const envelope =
    'error' in outcome
      ? {
          error: getTRPCErrorShape({
            config,
            error: outcome.error,
            type: 'unknown',
            path: undefined,
            input: undefined,
            ctx: undefined,
          }),
        }
      : { result: { data: outcome.data } }
  ctx.status = 'error' in outcome ? toReplyStatus(outcome.error) : 200
  ctx.vary(adapterVary)
  ctx.set('content-type', 'application/json')
  ctx.body = JSON.stringify(transformTRPCResponse(config, envelope))
}

function toReplyStatus(error: TRPCError): number {
  const failure = toCallError(error)
  return failure.exposed ? failure.status : 500
}

/** Hands the text to the adapter, and takes it away again: it may hold an API key that the host's log must not see. */
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

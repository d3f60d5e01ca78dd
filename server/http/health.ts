// Health for orchestrators: `/healthz` says the process answers, `/readyz` that it can do its work.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Drain } from './drain.ts'

/** Milliseconds for which an answer of the store is good: many probes cost one write. */
const freshMs = 500

/** Answers 200 as long as the process does. */
export function answerHealth(ctx: Context): void {
  ctx.body = { status: 'ok' }
}

/**
 * Makes the readiness answer: 200 while the store takes writes and the keys fit, else an error with status 503.
 * `check` resolves when the server can do its work.
 */
export function createReadiness(drain: Drain, check: () => Promise<void>): (ctx: Context) => Promise<void> {
  let last: Promise<void> | undefined
  let expiresAt = 0
  return async (ctx) => {
    if (drain.draining) throw new AuthFlowError('closed')
    if (!last || Date.now() >= expiresAt) {
      last = check()
      expiresAt = Infinity
      void last.catch(() => undefined).finally(() => (expiresAt = Date.now() + freshMs))
    }
    try {
      await last
    } catch (cause) {
      // Whatever the reason is, for the one who probes it is «not now»; the log has the reason.
      throw new AuthFlowError('store_unavailable', 'The server is not ready. Its log has the reason.', {
        cause,
      })
    }
    ctx.body = { status: 'ready' }
  }
}

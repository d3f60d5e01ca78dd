// Health for orchestrators: `/healthz` says the process answers, `/readyz` that it can do its work.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Drain } from './drain.ts'

/** Milliseconds for which an answer of the store is good: many probes cost one write. */
const freshMs = 500
/** A store that takes longer is away for those who probe, whether or not it comes back; callers wait for it longer. */
const patienceMs = 1_200

/** Answers 200 as long as the process does. */
export function answerHealth(ctx: Context): void {
  ctx.body = { status: 'ok' }
}

/** What is worth knowing of a server that can do its work. */
export interface ReadyRemarks {
  /** The queue is beside the store and can't be reached: runs start later, and nothing is lost. */
  readonly queue?: 'away'
}

/**
 * Makes the readiness answer: 200 while the store takes writes and the keys fit, else an error with status 503, within
 * `patienceMs` even where the store says nothing. `check` resolves when the server can do its work, with remarks for the
 * answer.
 */
export function createReadiness(
  drain: Drain,
  check: () => Promise<ReadyRemarks | void>,
): (ctx: Context) => Promise<void> {
  let running: Promise<void> | undefined
  /** When the running check counts as failed, and when the last one's result is too old. */
  let overdueAt = 0
  let expiresAt = 0
  let failure: { readonly cause: unknown } | undefined
  let remarks: ReadyRemarks = {}

  const begin = (): Promise<void> => {
    overdueAt = Date.now() + patienceMs
    return check()
      .then(
        (found) => {
          failure = undefined
          remarks = found ?? {}
        },
        (cause: unknown) => (failure = { cause }),
      )
      .then(() => {
        running = undefined
        expiresAt = Date.now() + freshMs
      })
  }
  return async (ctx) => {
    if (drain.draining) throw new AuthFlowError('closed')
    if (!running && Date.now() >= expiresAt) running = begin()
    if (running && !(await endsBy(running, overdueAt - Date.now()))) throw notReady(undefined)
    if (failure) throw notReady(failure.cause)
    ctx.body = { status: 'ready', ...remarks }
  }
}

/** Whatever the reason is, for the one who probes it is «not now»; the log has the reason. */
const notReady = (cause: unknown): AuthFlowError =>
  new AuthFlowError('store_unavailable', 'The server is not ready. Its log has the reason.', { cause })

/** False when the work takes longer. */
async function endsBy(work: Promise<void>, waitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, waitMs), false)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

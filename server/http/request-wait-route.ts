// `POST /webhooks/run/<token>`: the request that a run waits for. Who knows the address may answer; it says nothing about
// the run. The body is read only where a run waits.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { Json } from '../jobs/job.ts'
import { readBody, requestBodyLimit } from './body.ts'

/** Answers one request. Errors are for the caller to show. */
export async function answerRunRequest(ctx: Context, token: string, engine: JobEngine): Promise<void> {
  if (ctx.method !== 'POST') {
    ctx.set('allow', 'POST')
    throw new AuthFlowError('method_not_allowed')
  }
  await engine.receiveRequest(token, () => readRequest(ctx))
  ctx.status = 200
  ctx.set('x-content-type-options', 'nosniff')
  ctx.body = { ok: true }
}

/** The body by its content type: a form's fields, text, and everything else as JSON. Null where there is none. */
async function readRequest(ctx: Context): Promise<Json> {
  const text = (await readBody(ctx.req, requestBodyLimit)).toWellFormed()
  const type = (ctx.req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/x-www-form-urlencoded') return fieldsOf(text)
  if (type === 'text/plain') return text
  if (text === '') return null
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new AuthFlowError(
      'malformed_json',
      'The body must be JSON, a form or plain text, by its Content-Type.',
    )
  }
}

/** A field that stands there more than once is a list. */
function fieldsOf(text: string): Json {
  const fields = new Map<string, string | string[]>()
  for (const [name, value] of new URLSearchParams(text)) {
    const known = fields.get(name)
    if (known === undefined) fields.set(name, value)
    else if (typeof known === 'string') fields.set(name, [known, value])
    else known.push(value)
  }
  return Object.fromEntries(fields)
}

// `POST /webhooks/…`: what providers send. The address is looked up, then the raw bytes are read within their bound and
// judged, then the delivery is stored, and only then it is answered. Answers say nothing about what was sent.

import type { Context } from 'koa'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Deliveries, WebhookTarget } from '../triggers/deliveries.ts'
import { readBytes, webhookBodyLimit } from './body.ts'

const maxNameLength = 128

/** Answers one request. Errors are for the caller to show. */
export async function answerWebhook(
  ctx: Context,
  target: WebhookTarget,
  deliveries: Deliveries,
): Promise<void> {
  if (ctx.method !== 'POST') {
    ctx.set('allow', 'POST')
    throw new AuthFlowError('method_not_allowed')
  }
  const receiver = isName(nameOf(target)) ? await deliveries.find(target) : undefined
  // Nothing of the body is read for an address that is nobody's.
  if (!receiver) throw new AuthFlowError('not_found')
  const rawBody = await readBytes(ctx.req, webhookBodyLimit)
  const answer = await receiver.receive({ headers: headersOf(ctx), rawBody, query: queryOf(ctx) })
  ctx.status = 200
  ctx.type = answer.contentType ?? 'text/plain'
  ctx.set('x-content-type-options', 'nosniff')
  ctx.body = answer.body ?? ''
}

function nameOf(target: WebhookTarget): string {
  switch (target.type) {
    case 'registration':
      return target.hook
    case 'app':
      return target.integration
    case 'http':
      return target.endpoint
  }
}

const isName = (name: string): boolean => name.length <= maxNameLength && /^[\w.-]+$/.test(name)

/** The query by name. Of several of one name the first counts, so that nobody can add to what is there. */
const queryOf = ({ querystring }: Context): Record<string, string> =>
  Object.fromEntries([...new URLSearchParams(querystring)].reverse())

/** Headers by name in lower case, each one text. */
function headersOf({ req }: Context): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(req.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

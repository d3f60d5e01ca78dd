// Jobs started by requests of anybody who can prove who they are: an address of the server and a verifier of the host's.

import { AuthFlowError } from '../../shared/errors.ts'
import type { SignatureTools, WebhookRequest } from '../integrations/webhook-source.ts'
import { checkDefinitionId } from '../jobs/definition-id.ts'
import { checkFilter } from '../jobs/event-filter.ts'
import type { EventFilter, Json, PayloadSchema, Trigger } from '../jobs/job.ts'
import { checkSchema } from '../jobs/payload-schema.ts'
import { checkOptions } from './trigger-options.ts'

/** What `run` gets. */
export type HttpPayload = {
  /** `POST`: nothing else is taken. */
  method: string
  /**
   * What stands behind the `?` of the address, by name, the first of several of one name. Signatures do not cover it: rely on
   * nothing in it that `verify` did not judge.
   */
  query: Record<string, string>
  /** By name in lower case, without `authorization` and `cookie`. */
  headers: Record<string, string>
  /** The body read as JSON; null when it is none. */
  body: Json
  /** The body as text. */
  text: string
}

/** What a verifier gets beside the request: comparisons in constant time, and the time. */
export interface HttpVerifyContext extends SignatureTools {
  /** In ms. */
  readonly now: number
}

/** Judges requests. */
export interface HttpVerifier {
  /** True when the request is to be believed. What it throws counts as false. */
  (request: WebhookRequest, context: HttpVerifyContext): boolean | Promise<boolean>
  /** True when what it proves covers the delivery id of the usual headers (default false). */
  readonly isIdSigned?: boolean
}

/** Options of {@link httpTrigger}. */
export interface HttpTriggerOptions<Payload> {
  /** The address: requests go to `<baseUrl>/webhooks/http/<id>`. */
  readonly id: string
  /** Judges a request by its raw bytes before anything else. */
  readonly verify: HttpVerifier
  /** The account that a request is of (default: none). Called with verified requests only. */
  readonly accountOf?: (request: WebhookRequest) => string | undefined
  /**
   * What the sender calls the delivery, for telling repeats (default: `webhook-id`, `svix-id`, `idempotency-key` or
   * `x-request-id`, and the digest of the body where none of them is there).
   */
  readonly deliveryId?: (request: WebhookRequest) => string | undefined
  /**
   * True when `verify` proves the delivery id too: two deliveries with the same body are two then. False: the same body
   * within 35 days is a repeat whatever its id, because anybody could have changed that (default: what `verify` says of
   * itself, which {@link standardWebhook} does; false with a `deliveryId`).
   */
  readonly isIdSigned?: boolean
  /** What the payload must be (default: as it is). */
  readonly schema?: PayloadSchema<Payload>
  /** Payloads that the job is for (default: all of them). */
  readonly filter?: EventFilter
}

/** An endpoint with its types put away. */
export type HttpEndpoint = Required<Pick<HttpTriggerOptions<unknown>, 'id' | 'verify' | 'isIdSigned'>> &
  Pick<HttpTriggerOptions<unknown>, 'accountOf' | 'deliveryId'>

/** A trigger with an address. */
export interface HttpTrigger<Payload> extends Trigger<Payload> {
  /** Tells the kinds of triggers apart. */
  readonly kind: 'http'
  /** Where it is and whom it believes. */
  readonly endpoint: HttpEndpoint
}

/** Name of the events. */
export const httpEvent = 'request'

/** Source of the events of an endpoint. */
export const httpSource = (id: string): string => `authflow:http/${id}`

const optionNames = ['id', 'verify', 'accountOf', 'deliveryId', 'isIdSigned', 'schema', 'filter'] as const

const hidden = new Set(['authorization', 'cookie', 'proxy-authorization'])

/**
 * Starts the job at requests that the verifier believes: stored once by their delivery id, answered, then run. A refused
 * request gets 401 and leaves nothing.
 *
 * @throws {@link AuthFlowError} `invalid_input` for an id, filter or schema that is none, and without a verifier
 */
export function httpTrigger<Payload = HttpPayload>(
  options: HttpTriggerOptions<Payload>,
): HttpTrigger<Payload> {
  checkOptions('httpTrigger', options, optionNames)
  const { id, verify, accountOf, deliveryId, schema, filter } = options
  const { isIdSigned = deliveryId === undefined && verify?.isIdSigned === true } = options
  checkDefinitionId('an httpTrigger', id)
  checkSchema(`httpTrigger ${id}`, schema)
  if (filter !== undefined) checkFilter(filter, `filter of httpTrigger ${id}`)
  if (typeof verify !== 'function')
    throw new AuthFlowError('invalid_input', `httpTrigger ${id} needs \`verify\`: nobody is believed unseen.`)
  return {
    kind: 'http',
    names: [httpEvent],
    source: httpSource(id),
    endpoint: {
      id,
      verify,
      isIdSigned,
      ...(accountOf ? { accountOf } : {}),
      ...(deliveryId ? { deliveryId } : {}),
    },
    ...(schema === undefined ? {} : { schema }),
    ...(filter === undefined ? {} : { filter }),
  }
}

/** The endpoint of a trigger, if it has one. */
export function endpointOf(trigger: object): HttpEndpoint | undefined {
  return isHttpTrigger(trigger) ? trigger.endpoint : undefined
}

const isHttpTrigger = (trigger: object): trigger is HttpTrigger<unknown> =>
  'kind' in trigger && trigger.kind === 'http' && 'endpoint' in trigger

/** What a sender called the delivery; undefined where it said nothing. */
export function idOf(endpoint: HttpEndpoint, request: WebhookRequest): string | undefined {
  const { headers } = request
  return endpoint.deliveryId
    ? endpoint.deliveryId(request)
    : (headers['webhook-id'] ?? headers['svix-id'] ?? headers['idempotency-key'] ?? headers['x-request-id'])
}

/** The request as the job gets it. */
export function payloadOf({ headers, rawBody, query = {} }: WebhookRequest): HttpPayload {
  const text = Buffer.from(rawBody).toString('utf8').toWellFormed()
  let body: Json = null
  try {
    body = JSON.parse(text) as Json
  } catch {
    // Not everybody sends JSON; the text is there.
  }
  const shown = Object.entries(headers).filter(([name]) => !hidden.has(name))
  return { method: 'POST', query: { ...query }, headers: Object.fromEntries(shown), body, text }
}

/**
 * Believes the signatures of Standard Webhooks (and Svix) made with the secret, not older than five minutes. They cover
 * the delivery id.
 *
 * @throws {@link AuthFlowError} `invalid_input` without a secret of 16 bytes or more
 */
export function standardWebhook(secret: string): HttpVerifier {
  const key = Buffer.from(typeof secret === 'string' ? secret.replace(/^whsec_/, '') : '', 'base64')
  if (key.length < 16)
    throw new AuthFlowError('invalid_input', 'The secret of standardWebhook is not `whsec_` and base64.')
  const verify: HttpVerifier = ({ headers, rawBody }, { hmacMatches, now }) => {
    const header = (name: string): string => headers[`webhook-${name}`] ?? headers[`svix-${name}`] ?? ''
    const [id, at, signatures] = [header('id'), header('timestamp'), header('signature')]
    if (id === '' || !/^\d{1,12}$/.test(at) || Math.abs(now / 1000 - Number(at)) > 300) return false
    const data = [id, '.', at, '.', rawBody]
    return signatures
      .split(' ')
      .slice(0, 10)
      .some(
        (one) =>
          one.startsWith('v1,') &&
          hmacMatches({ algorithm: 'sha256', key, data, signature: one.slice(3), encoding: 'base64' }),
      )
  }
  return Object.assign(verify, { isIdSigned: true })
}

/** Options of {@link hmacHeader}. */
export interface HmacHeaderOptions {
  /** Name of the header that has the signature. */
  readonly header: string
  /** Shared with the sender. */
  readonly secret: string
  /** What stands before the signature: `sha256=` (default nothing). */
  readonly prefix?: string
  /** (default `hex`) */
  readonly encoding?: 'hex' | 'base64'
}

/**
 * Believes an HMAC-SHA256 of the body in a header. It covers neither a time nor the delivery id: the same body is taken
 * once in 35 days, whatever id comes with it, and again after that.
 *
 * @throws {@link AuthFlowError} `missing_option` without a secret, `invalid_input`
 */
export function hmacHeader(options: HmacHeaderOptions): HttpVerifier {
  checkOptions('hmacHeader', options, ['header', 'secret', 'prefix', 'encoding'])
  const { header, secret, prefix = '', encoding = 'hex' } = options
  if (typeof header !== 'string' || header === '')
    throw new AuthFlowError(
      'invalid_input',
      'hmacHeader needs `header`, the name of the header with the signature.',
    )
  if (!['hex', 'base64'].includes(encoding))
    throw new AuthFlowError('invalid_input', 'encoding of hmacHeader must be hex or base64.')
  const name = header.toLowerCase()
  if (typeof secret !== 'string' || secret === '')
    throw new AuthFlowError('missing_option', 'hmacHeader needs `secret`.', { details: { option: 'secret' } })
  return ({ headers, rawBody }, { hmacMatches }) => {
    const given = headers[name] ?? ''
    if (!given.startsWith(prefix)) return false
    return hmacMatches({
      algorithm: 'sha256',
      key: secret,
      data: [rawBody],
      signature: given.slice(prefix.length),
      encoding,
    })
  }
}

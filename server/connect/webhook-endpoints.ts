// Endpoints of the host that hear of its connections: reading their configuration, and sending one message, signed as
// Standard Webhooks says (github.com/standard-webhooks/standard-webhooks, spec 1.0.0).

import { Webhook } from 'standardwebhooks'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import { checkUrl } from '../net/url-guard.ts'
import { sha256 } from './digest.ts'

const maxEndpoints = 10
/** One to sign with, and one that is being replaced. */
const maxSecrets = 2
const minSecretBytes = 24
const maxSecretBytes = 64
/** Receivers should answer first and work afterwards; the specification names 15 to 30 s. */
const timeoutMs = 15_000
/** Nothing of the answer is used. */
const maxAnswerBytes = 65_536

/** Where to tell the host about changes of connections. */
export interface ConnectionWebhook {
  /** https, or http on a loopback host while `baseUrl` is on one. */
  readonly url: string | undefined
  /**
   * `whsec_` and the base64 of 24 to 64 random bytes. While it is being replaced a list of the new one and the old one:
   * messages are signed with both.
   */
  readonly secret: string | readonly string[] | undefined
}

/** A configured endpoint, read. */
export interface WebhookEndpoint {
  /** Follows from the URL: what is under way stays so while the secret is replaced. */
  readonly id: string
  readonly url: string
  /** One signature for each secret, separated by spaces. */
  sign(messageId: string, sentAt: Date, body: string): string
}

/**
 * Reads the option `connectionWebhooks`.
 *
 * @throws {@link AuthFlowError} `missing_option` (an entry without URL or secret), `invalid_option`; never shows a secret
 */
export function readWebhookEndpoints(
  webhooks: readonly ConnectionWebhook[] | undefined,
  allowLoopback: boolean,
): readonly WebhookEndpoint[] {
  if (webhooks === undefined) return []
  if (webhooks.length > maxEndpoints) throw invalid(`may have ${maxEndpoints} entries`)
  const endpoints = webhooks.map((webhook, index) => readEndpoint(webhook, index + 1, allowLoopback))
  if (new Set(endpoints.map(({ id }) => id)).size < endpoints.length) throw invalid('names one URL twice')
  return endpoints
}

function readEndpoint(webhook: ConnectionWebhook, place: number, allowLoopback: boolean): WebhookEndpoint {
  const { url, secret } = webhook
  if (!url || !secret || secret.length === 0) throw missing(place)
  let checked: URL
  try {
    checked = checkUrl(url, allowLoopback)
  } catch (cause) {
    throw invalid(`entry ${place}: \`url\` must be an https URL of a public host`, cause)
  }
  const secrets = typeof secret === 'string' ? [secret] : secret
  if (secrets.length > maxSecrets) throw invalid(`entry ${place}: \`secret\` may be a list of ${maxSecrets}`)
  const signers = secrets.map((text) => signerOf(text, place))
  return {
    id: `wh_${sha256(checked.href).slice(0, 22)}`,
    url: checked.href,
    sign: (messageId, sentAt, body) =>
      signers.map((signer) => signer.sign(messageId, sentAt, body)).join(' '),
  }
}

function signerOf(secret: string, place: number): Webhook {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? []
  const bytes = Buffer.from(base64, 'base64')
  const canonical = bytes.toString('base64') === base64
  if (!canonical || bytes.length < minSecretBytes || bytes.length > maxSecretBytes) {
    throw invalid(
      `entry ${place}: \`secret\` must be whsec_ and the base64 of ${minSecretBytes} to ${maxSecretBytes} bytes`,
    )
  }
  return new Webhook(secret)
}

/** What became of one try. */
export type SendOutcome =
  | { readonly state: 'accepted' }
  /** `over`: the receiver wants no more of it (410). */
  | {
      readonly state: 'refused'
      readonly code: string
      readonly over: boolean
      readonly retryAfterMs?: number
    }

/** Sends one message. Never throws for what the receiver or the network does. */
export async function sendWebhook(
  fetch: GuardedFetch,
  endpoint: WebhookEndpoint,
  message: { readonly id: string; readonly body: string; readonly now: number },
): Promise<SendOutcome> {
  const sentAt = new Date(message.now)
  const headers = {
    'content-type': 'application/json',
    'webhook-id': message.id,
    'webhook-timestamp': String(Math.floor(message.now / 1000)),
    'webhook-signature': endpoint.sign(message.id, sentAt, message.body),
  }
  try {
    const answer = await fetch(endpoint.url, {
      method: 'POST',
      headers,
      body: message.body,
      timeoutMs,
      maxBytes: maxAnswerBytes,
    })
    if (answer.ok) return { state: 'accepted' }
    const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN)
    return {
      state: 'refused',
      code: `http_${answer.status}`,
      over: answer.status === 410,
      ...(seconds > 0 && seconds <= 86_400 ? { retryAfterMs: seconds * 1000 } : {}),
    }
  } catch (error) {
    return { state: 'refused', code: isAuthFlowError(error) ? error.code : 'internal', over: false }
  }
}

const invalid = (problem: string, cause?: unknown): AuthFlowError =>
  new AuthFlowError('invalid_option', `connectionWebhooks: ${problem}.`, {
    details: { option: 'connectionWebhooks' },
    cause,
  })

const missing = (place: number): AuthFlowError =>
  new AuthFlowError('missing_option', `connectionWebhooks: entry ${place} needs \`url\` and \`secret\`.`, {
    details: { option: 'connectionWebhooks' },
  })

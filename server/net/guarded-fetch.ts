// The one way out: every outgoing request of the server and of integrations goes through a guarded fetch.

/** What a guarded fetch takes beside the standard options. Redirects are never followed. */
export interface GuardedRequest extends Omit<RequestInit, 'redirect'> {
  /** For the whole exchange, body included, in ms (default 10,000; at most 60,000). */
  readonly timeoutMs?: number
  /** Bytes of body accepted after decoding (default 262,144; at most 16 MB). */
  readonly maxBytes?: number
}

/**
 * Fetches from a public host over https. The body has been read and bounded when it resolves.
 *
 * @throws {@link AuthFlowError} `blocked_host` (scheme, port, address or host not allowed, also after DNS),
 *   `provider_unavailable` (connect or total timeout, connection lost), `provider_reply_invalid` (a redirect, or too
 *   many bytes)
 */
export type GuardedFetch = (url: string | URL, init?: GuardedRequest) => Promise<Response>

/** What a guarded fetch lets through. */
export interface GuardOptions {
  /** Lets loopback addresses and plain http to them through: stand-in providers (default false). */
  readonly allowLoopback?: boolean
}

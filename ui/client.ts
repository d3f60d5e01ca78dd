// The connect server as the flow sees it: tRPC's own HTTP link, typed by the server's router. The client around the
// link would add batching, subscriptions and a proxy, none of which are used, and two thirds to the weight. Every failure
// leaves as a ConnectError. This is the one import from the server, a type.

import { httpLink } from '@trpc/client/links/httpLink'
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server'
import type { Observable } from '@trpc/server/observable'
import type { ErrorReply } from '../shared/errors.ts'
import type { ConnectRouter } from '../server/http/connect-router.ts'
import { ConnectError, localError, policyError } from './flow/connect-error.ts'

type Inputs = inferRouterInputs<ConnectRouter>
type Outputs = inferRouterOutputs<ConnectRouter>
type Group = 'integrations' | 'flows' | 'connections'

/** Paths of the procedures that flows use: `flows.begin`. */
export type Procedure = { [G in Group]: `${G}.${keyof Outputs[G] & string}` }[Group]

type Of<Record, Path extends Procedure> = Path extends `${infer G}.${infer Name}`
  ? G extends keyof Record
    ? Name extends keyof Record[G]
      ? Record[G][Name]
      : never
    : never
  : never

/** What a procedure takes. */
export type ConnectInput<Path extends Procedure> = Of<Inputs, Path>

/** What a procedure answers. */
export type ConnectOutput<Path extends Procedure> = Of<Outputs, Path>

/** What a call takes beside its input. */
export interface CallOptions {
  readonly token?: string
  readonly signal?: AbortSignal | undefined
}

/** Calls a procedure. Throws {@link ConnectError}: the server's own, `network_error`, `csp_blocked`. */
export type ConnectCall = <Path extends Procedure>(
  path: Path,
  input: ConnectInput<Path>,
  options?: CallOptions,
) => Promise<ConnectOutput<Path>>

const timeoutMs = 30_000
/** The event that tells of a violated policy is a task of its own, which may come after the failure. */
const violationDelayMs = 50

/** Whom to call, and how. Read when needed. */
export interface ConnectServer {
  /** Without a trailing slash. */
  readonly endpoint: string
  /** What answers are to be in, as a language tag; empty for the browser's languages. */
  readonly language: string
}

/** A client of a connect server. Nothing is sent before the first call. */
export function createConnectClient(server: ConnectServer): ConnectCall {
  const url = `${server.endpoint}/connect/trpc`
  return async (path, input, { token, signal = AbortSignal.timeout(timeoutMs) } = {}) => {
    let blocked = false
    const handleViolation = ({ blockedURI }: SecurityPolicyViolationEvent): void => {
      blocked ||= url.startsWith(new URL(blockedURI, url).origin)
    }
    addEventListener('securitypolicyviolation', handleViolation)
    try {
      const type = /describe|watch|list/.test(path) ? 'query' : 'mutation'
      const op = { id: 0, type, path, input, signal, context: {} } as const
      const { language } = server
      const headers = {
        ...(language && { 'accept-language': language }),
        ...(token && { authorization: `Bearer ${token}` }),
      }
      // What everybody may read is a GET, so that it can be cached; the rest keeps its input out of URLs.
      const link = httpLink<ConnectRouter>({ url, headers, ...(token && { methodOverride: 'POST' }) })({})
      const { result } = await observableToPromise(link({ op, next: isLast }))
      // The path names the type; tRPC's own client trusts it in the same way.
      return ('data' in result ? result.data : undefined) as Of<Outputs, typeof path>
    } catch (error) {
      const reply = isCallError(error) && error.data?.authflow
      if (reply) throw new ConnectError(reply, error)
      await new Promise((resolve) => setTimeout(resolve, violationDelayMs))
      throw blocked
        ? policyError(error)
        : localError('network_error', 'The server cannot be reached.', { cause: error })
    } finally {
      removeEventListener('securitypolicyviolation', handleViolation)
    }
  }
}

/** An HTTP link is the last of its chain. */
const isLast = (): never => {
  throw new TypeError()
}

const observableToPromise = <T>(observable: Observable<T, unknown>): Promise<T> =>
  new Promise((next, error) => observable.subscribe({ next, error }))

/** tRPC's own error, which has what the server said. */
const isCallError = (
  error: unknown,
): error is Error & { readonly data?: { readonly authflow?: ErrorReply } } =>
  error instanceof Error && 'data' in error

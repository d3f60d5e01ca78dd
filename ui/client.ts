// The connect server as the flow sees it: the stock tRPC client, typed by the server's router. Every failure leaves
// as a ConnectError. This is the one import from the server, a type.

import { createTRPCUntypedClient, httpLink, splitLink, TRPCClientError } from '@trpc/client'
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server'
import type { ErrorReply } from '../shared/errors.ts'
import type { ConnectRouter } from '../server/http/connect-router.ts'
import { ConnectError, localError } from './flow/connect-error.ts'

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

/** What a call takes beside its input. */
export interface CallOptions {
  readonly token?: string
  readonly signal?: AbortSignal
}

/** Calls a procedure. Throws {@link ConnectError}: the server's own, `network_error`, `csp_blocked`. */
export type ConnectCall = <Path extends Procedure>(
  path: Path,
  input: Of<Inputs, Path>,
  options?: CallOptions,
) => Promise<Of<Outputs, Path>>

const timeoutMs = 30_000
/** The event that tells of a violated policy is a task of its own, which may come after the failure. */
const violationDelayMs = 50

/** A client of the connect server at `endpoint`. Nothing is sent before the first call. */
export function createConnectClient(endpoint: string): ConnectCall {
  const url = `${endpoint}/connect/trpc`
  const client = createTRPCUntypedClient<ConnectRouter>({
    links: [
      splitLink({
        // What everybody may read is a GET, so that it can be cached; the rest keeps its input out of URLs.
        condition: ({ path }) => path === 'integrations.describe',
        true: httpLink({ url }),
        false: httpLink({
          url,
          methodOverride: 'POST',
          headers: ({ op }) => ({ authorization: `Bearer ${op.context['token']}` }),
        }),
      }),
    ],
  })
  return async (path, input, { token, signal = AbortSignal.timeout(timeoutMs) } = {}) => {
    const listening = new AbortController()
    let blocked = false
    const handleViolation = ({ blockedURI }: SecurityPolicyViolationEvent): void => {
      blocked ||= url.startsWith(new URL(blockedURI, url).origin)
    }
    addEventListener('securitypolicyviolation', handleViolation, { signal: listening.signal })
    try {
      const kind = /describe|watch|list/.test(path) ? 'query' : 'mutation'
      // The untyped client is the typed one without its proxy; the path names the type.
      return (await client[kind](path, input, { context: { token }, signal })) as Of<Outputs, typeof path>
    } catch (error) {
      const reply: ErrorReply | undefined =
        error instanceof TRPCClientError ? error.data?.authflow : undefined
      if (reply) throw new ConnectError(reply, error)
      await new Promise((resolve) => setTimeout(resolve, violationDelayMs))
      throw localError(blocked ? 'csp_blocked' : 'network_error', error)
    } finally {
      listening.abort()
    }
  }
}

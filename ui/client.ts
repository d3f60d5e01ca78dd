// The connect server as the flow sees it: the stock tRPC client, typed by the server's router. Every failure leaves
// as a ConnectError. This is the one import from the server, a type, and it does not show in what this module exports.

import { createTRPCClient, httpLink, splitLink, TRPCClientError } from '@trpc/client'
import type { Connection } from '../shared/auth.ts'
import type { ErrorReply } from '../shared/errors.ts'
import type { FieldValues } from '../shared/fields.ts'
import type { ConnectMethod, FlowView, IntegrationView } from '../shared/flow.ts'
import type { ConnectRouter } from '../server/http/connect-router.ts'
import { isPolicyBlocked, watchPolicy } from './flow/content-policy.ts'
import { ConnectError, localError } from './flow/connect-error.ts'

/** The procedures that flows use. Each may throw any {@link ConnectError}, `network_error` and `csp_blocked` among them. */
export interface ConnectClient {
  describe(integration: string): Promise<IntegrationView>
  begin(token: string, input: { flowId: string; integration: string; accountId?: string }): Promise<FlowView>
  submit(
    token: string,
    input: { flowId: string; version: number; method: ConnectMethod['id']; values: FieldValues },
  ): Promise<FlowView>
  /** @param signal ends the poll; it then rejects with whatever */
  watch(
    token: string,
    input: { flows: { id: string; version: number }[]; waitMs: number },
    signal: AbortSignal,
  ): Promise<readonly FlowView[]>
  cancel(token: string, flowId: string): Promise<FlowView>
  connections(token: string): Promise<readonly Connection[]>
  disconnect(token: string, integration: string): Promise<Connection>
}

const timeoutMs = 30_000

/** A client of the connect server at `endpoint`. Nothing is sent before the first call. */
export function createConnectClient(endpoint: string): ConnectClient {
  const url = `${endpoint}/connect/trpc`
  const trpc = createTRPCClient<ConnectRouter>({
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
  const call = async <T>(
    send: (options: { context: { token: string }; signal: AbortSignal }) => Promise<T>,
    token = '',
    signal = AbortSignal.timeout(timeoutMs),
  ): Promise<T> => {
    watchPolicy()
    try {
      return await send({ context: { token }, signal })
    } catch (error) {
      throw await toConnectError(error, url)
    }
  }
  return {
    describe: (integration) => call((options) => trpc.integrations.describe.query({ integration }, options)),
    begin: (token, input) => call((options) => trpc.flows.begin.mutate(input, options), token),
    submit: (token, input) => call((options) => trpc.flows.submit.mutate(input, options), token),
    watch: (token, input, signal) => call((options) => trpc.flows.watch.query(input, options), token, signal),
    cancel: (token, flowId) => call((options) => trpc.flows.cancel.mutate({ flowId }, options), token),
    connections: (token) => call((options) => trpc.connections.list.query(undefined, options), token),
    disconnect: (token, integration) =>
      call((options) => trpc.connections.disconnect.mutate({ integration }, options), token),
  }
}

async function toConnectError(error: unknown, url: string): Promise<ConnectError> {
  const reply: ErrorReply | undefined = error instanceof TRPCClientError ? error.data?.authflow : undefined
  if (reply) return new ConnectError(reply, error)
  return localError((await isPolicyBlocked(url)) ? 'csp_blocked' : 'network_error', error)
}

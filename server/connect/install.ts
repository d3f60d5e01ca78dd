// People who install the host's app from the provider's own pages (an app directory, an "Add to …" button) come to the
// callback without a flow: nobody signed in at the host asked for anything, so whatever code they bring belongs to no
// account and is dropped. They are sent to the host's page, where a signed-in user begins a flow of their own.

import { isUnasked, type AnswerRequest } from './answer.ts'
import { findOAuthMethod, type ConnectContext } from './context.ts'

/**
 * Where to send the browser: the configured page and nothing that the request says, but for values that the provider
 * signed. Undefined when the request belongs to a flow, or no page is configured.
 *
 * @throws {@link AuthFlowError} `unknown_integration`; `callback_unverified` when the provider's signature is wrong
 */
export function installUrlOf(context: ConnectContext, request: AnswerRequest): string | undefined {
  if (!isUnasked(request)) return undefined
  const method = findOAuthMethod(context.integration(request.integration))
  if (method?.client.installUrl === undefined) return undefined
  const { installUrl, clientSecret } = method.client
  const url = new URL(installUrl)
  const values = method.installValues?.(request.params, { clientSecret }) ?? {}
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value)
  return url.href
}

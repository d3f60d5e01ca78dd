// Taking up a flow on pages without <auth-flow>.

import { createAuthFlow } from './create-auth-flow.ts'
import type { AuthFlowOptions, ConnectFlow } from './flow.ts'
import { cleanReturnUrl, findPending } from './pending.ts'

/**
 * The flow that this tab left at the provider, by redirect or before a reload, taken up again; undefined when there is
 * none for these options.
 *
 * @param options.keepUrl leave the flow's id in the page's URL (default false)
 */
export function resumeAuthFlow(
  options: AuthFlowOptions & { readonly keepUrl?: boolean },
): ConnectFlow | undefined {
  const pending = findPending(options, true)
  if (!pending) return undefined
  const flow = createAuthFlow(options)
  void flow.resume(pending)
  if (pending.returned && !options.keepUrl) cleanReturnUrl()
  return flow
}

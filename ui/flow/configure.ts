// Page-wide settings. Flows and elements read them when they need them, so the order of scripts does not matter.

import { localError } from './connect-error.ts'
import type { ConnectTokenSource } from './token.ts'

/** What {@link configureAuthFlow} takes. */
export interface AuthFlowConfiguration {
  /** The connect server's `baseUrl`: `https://connect.example.com`. */
  readonly endpoint: string
  /** Where connect tokens come from, for flows that name no source of their own. */
  readonly connectToken?: ConnectTokenSource
}

let current: AuthFlowConfiguration | undefined
const waiting = new Set<() => void>()

/** Sets the page's connect server and token source. Called again, it replaces them for everything that starts later. */
export function configureAuthFlow(configuration: AuthFlowConfiguration): void {
  current = configuration
  for (const callback of waiting) callback()
  waiting.clear()
}

/** The settings of the page, if any yet. */
export const configuration = (): AuthFlowConfiguration | undefined => current

/** Calls back once there is an endpoint: now, or when {@link configureAuthFlow} is called. */
export function onceConfigured(endpoint: string | undefined, callback: () => void): void {
  if (endpoint || current) callback()
  else waiting.add(callback)
}

/**
 * The endpoint to use, without a trailing slash.
 *
 * @param own what the flow or element names itself
 * @throws {@link ConnectError} `not_configured`; `endpoint_not_allowed` when both are set and differ, so that markup
 *   put into a page cannot send its tokens elsewhere
 */
export function resolveEndpoint(own: string | undefined): string {
  const configured = current?.endpoint
  const given = own || configured
  if (!given) throw localError('not_configured', 'Call configureAuthFlow.')
  const endpoint = withoutSlash(given)
  if (configured && endpoint !== withoutSlash(configured))
    throw localError('endpoint_not_allowed', 'Not the configured one.')
  return endpoint
}

const withoutSlash = (url: string): string => new URL(url, location.href).href.replace(/\/$/, '')

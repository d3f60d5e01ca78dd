// A provider by its way to connect and the address of its API: enough for most of them. Runs call its API by path, with
// the account's credentials; who wants typed tasks or an SDK takes defineIntegration.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import { defineIntegration, type DefinedIntegration, type DefinedOptions } from './define-integration.ts'
import type { Address, AuthOfMethods, MethodDefinitions, ProviderTools } from './defined-methods.ts'
import type { JsonReply, JsonRequest } from './json-request.ts'

/** A provider's API, acting as the account. */
export interface ProviderApi {
  /**
   * Sends JSON to a path of the API and reads JSON. The credentials go to the API's own host and nowhere else.
   *
   * @param path begins with `/`
   * @throws {@link AuthFlowError} `invalid_input` for a path that is none; `rate_limited`, `provider_unavailable`,
   *   `provider_rejected`, `provider_reply_invalid`, `blocked_host`
   */
  request(path: string, request?: JsonRequest): Promise<JsonReply>
}

/** What {@link defineProvider} takes. */
export interface ProviderDefinition<Methods extends MethodDefinitions> {
  /** The provider's id: `notion`. */
  readonly provider: string
  /** `Notion`. */
  readonly name: string
  /** Ways to connect. */
  readonly methods: Methods
  /** Where its API is; may depend on the fields of the connection (`{subdomain}`). No slash at the end. */
  readonly apiUrl: Address
  /** Headers of every request, beside `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>
  /** The headers that carry the credentials (default `Authorization: Bearer`, or `Basic` for a password). */
  authorize?(auth: AuthOfMethods<Methods>): Readonly<Record<string, string>>
}

type NoTasks = Readonly<Record<never, never>>

/**
 * A function that makes integrations of the provider, each with the host's own id and settings. In a job:
 * `io.notion.runTask('page', (api) => api.request('/pages/…'))`.
 *
 * @throws {@link AuthFlowError} `invalid_option` for a definition that cannot work; the function made throws
 *   `missing_option` and `invalid_option` like the constructors of the built-in integrations
 */
export function defineProvider<const Methods extends MethodDefinitions>(
  definition: ProviderDefinition<Methods>,
): <const Id extends string>(
  options: DefinedOptions<Id>,
) => DefinedIntegration<Id, AuthOfMethods<Methods>, ProviderApi, NoTasks> {
  const { provider, name, methods } = definition
  return defineIntegration({
    provider,
    name,
    methods,
    client: (auth: AuthOfMethods<Methods>, tools) => apiOf(definition, auth, tools),
    tasks: {},
  })
}

function apiOf<Methods extends MethodDefinitions>(
  { apiUrl, headers, authorize }: ProviderDefinition<Methods>,
  auth: AuthOfMethods<Methods>,
  { request }: ProviderTools,
): ProviderApi {
  const base = typeof apiUrl === 'string' ? apiUrl : apiUrl(auth.fields)
  const credentials = authorize ? authorize(auth) : authorizationOf(auth)
  return {
    request(path, sent = {}) {
      const url = base + path
      const isInside =
        path.startsWith('/') && URL.canParse(url) && new URL(url).origin === new URL(base).origin
      if (!isInside) throw new AuthFlowError('invalid_input', 'A path of an API begins with a slash.')
      return request(url, { ...sent, headers: { ...headers, ...sent.headers, ...credentials } })
    },
  }
}

function authorizationOf(auth: Auth): Readonly<Record<string, string>> {
  if (auth.type === 'basic') {
    return { authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}` }
  }
  return { authorization: `Bearer ${auth.type === 'oauth2' ? auth.accessToken : auth.apiKey}` }
}

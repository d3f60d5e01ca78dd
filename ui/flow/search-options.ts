// Searching the choices of a field that is asked after consent, for a control of one's own: the form's has the first thousand.

import type { ConnectPurpose, FieldOptions, OptionsQuery } from '../../shared/flow.ts'
import { createConnectClient } from '../client.ts'
import { resolveEndpoint } from './configure.ts'
import { ConnectError } from './connect-error.ts'
import type { AuthFlowOptions } from './flow.ts'
import { createTokens, withToken } from './token.ts'

/** Which choices of which field. */
export interface OptionsSearch extends OptionsQuery {
  /** The snapshot's `flowId`. */
  readonly flowId: string
  /** Name of the field. */
  readonly field: string
  /** Ends the call: what was typed since makes it needless. */
  readonly signal?: AbortSignal
}

/**
 * A function that gives a page of the choices of a field, as the account sees them. It keeps its connect token. To be
 * called while the flow is at `configure`, at most twice at a time.
 *
 * It throws {@link ConnectError}: `flow_conflict` (not at `configure`), `flow_not_found`, `flow_ended`, `flow_expired`,
 * `invalid_input` (no field with choices), `rate_limited`, and those of the provider, of the connect token and of the network.
 *
 * @param options as of the flow; what is left out is that of `configureAuthFlow`
 */
export function createOptionsSearch(
  options: Pick<
    AuthFlowOptions,
    'integration' | 'accountId' | 'tokenUrl' | 'connectToken' | 'endpoint' | 'locale'
  >,
): (search: OptionsSearch) => Promise<FieldOptions> {
  const tokens = createTokens(options)
  let purpose: ConnectPurpose = 'create'
  const ask = ({ signal, ...asked }: OptionsSearch): Promise<FieldOptions> => {
    const call = createConnectClient({
      endpoint: resolveEndpoint(options.endpoint),
      language: options.locale ?? document.documentElement.lang,
    })
    return withToken(tokens, purpose, (token) => call('flows.options', asked, { token, signal }))
  }
  return async (search) => {
    try {
      return await ask(search)
    } catch (error) {
      // A flow is asked about with a token of the purpose that it began with, which its snapshot does not say.
      if (!(error instanceof ConnectError) || error.code !== 'purpose_not_allowed') throw error
      purpose = purpose === 'create' ? 'reconnect' : 'create'
      return await ask(search)
    }
  }
}

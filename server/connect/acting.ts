// Acting as an account before it is connected, or while its connection is changed: with the credentials of the grant that
// waits in the flow, else with those of the connection.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { ConfiguringAuth, ConfiguringContext } from '../integrations/integration.ts'
import type { WaitingParts } from './flow-parts.ts'
import type { GetAuth } from './get-auth.ts'
import type { Grant } from './grant.ts'
import type { FlowRecord } from './records.ts'
import { openGrant } from './staged-grant.ts'

/** For steps that act as the account. */
export interface ConfigureParts extends WaitingParts {
  readonly getAuth: GetAuth
}

/** The credentials to ask with. Throws those of `getAuth`. */
export async function actingFor(
  { context, getAuth }: ConfigureParts,
  flow: FlowRecord,
): Promise<ConfiguringContext> {
  const { fetch } = context
  const grant = openGrant(context, flow)
  if (grant) return { fetch, auth: authOfGrant(grant) }
  return { fetch, auth: await getAuth({ id: flow.integration, accountId: flow.accountId }) }
}

function authOfGrant({ method, secrets, fields, scopes, identity }: Grant): ConfiguringAuth {
  const base = { fields, scopes, identity }
  const secret = (name: string): string => secrets[name] ?? ''
  switch (method) {
    case 'oauth2':
      return { ...base, type: 'oauth2', accessToken: secret('accessToken') }
    case 'apiKey':
      return { ...base, type: 'apiKey', apiKey: secret('field.apiKey') }
    case 'basic': {
      const username = fields['username'] ?? secret('field.username')
      return { ...base, type: 'basic', username, password: secret('field.password') }
    }
  }
}

/** Calls a hook; what it trips over is the provider's answer. */
export async function asProvider<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (isAuthFlowError(error)) throw error
    throw new AuthFlowError('provider_reply_invalid', undefined, { cause: error })
  }
}

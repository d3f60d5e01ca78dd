// Who answered: the callback's `iss` against the authorization server that the user was sent to (RFC 9207).

import { AuthFlowError } from '../../shared/errors.ts'
import type { MethodFields, OAuth2Method } from '../integrations/integration.ts'

/**
 * Judges the `iss` of a callback. Where the method names its issuer it must be that one, character by character; where
 * it does not, it must at least be of the origin that the user was sent to. One that is missing is let through unless
 * the method says that the server always sends it.
 *
 * @throws {@link AuthFlowError} `issuer_mismatch`, also for several
 */
export function judgeIssuer(method: OAuth2Method, fields: MethodFields, params: URLSearchParams): void {
  const issuers = params.getAll('iss')
  const [issuer, ...others] = issuers
  const fits = issuer === undefined ? method.issuerRequired !== true : isExpected(method, fields, issuer)
  if (!fits || others.length > 0) throw new AuthFlowError('issuer_mismatch')
}

function isExpected(method: OAuth2Method, fields: MethodFields, issuer: string): boolean {
  const named = method.issuer?.(fields)
  if (named !== undefined) return issuer === named
  return URL.canParse(issuer) && new URL(issuer).origin === new URL(method.authorizationUrl(fields)).origin
}

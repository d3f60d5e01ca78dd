// C3: no procedure of the public router can answer with a credential. Walks the types of all its outputs; checked by the
// compiler, never run.

import type { inferRouterOutputs } from '@trpc/server'
import type { AuthFor, IntegrationList } from '../server-api.ts'
import type { ConnectRouter } from './connect-router.ts'

type Outputs = inferRouterOutputs<ConnectRouter>

const holds = <_T extends true>(): void => undefined
type Never<T> = [T] extends [never] ? true : false

/** Names under which a credential, or what leads to one, stands anywhere in the product. */
type CredentialName =
  | 'accessToken'
  | 'refreshToken'
  | 'idToken'
  | 'apiKey'
  | 'username'
  | 'password'
  | 'secret'
  | 'secrets'
  | 'clientSecret'
  | 'clientId'
  | 'tokenHash'
  | 'token'
  | 'verifier'
  | 'cookie'
  | 'cookieHash'

/** Written out, and no flag: `secret: true` of a form's field says how it is shown. */
type Telling<T, K extends keyof T> = string extends K
  ? never
  : [NonNullable<T[K]>] extends [boolean]
    ? never
    : K

/** Every telling member name in the type, eight levels deep: free JSON of the host has no end. */
type Names<T, Depth extends readonly 0[] = []> = Depth['length'] extends 8
  ? never
  : T extends readonly (infer Item)[]
    ? Names<Item, [...Depth, 0]>
    : T extends object
      ? { [K in keyof T]-?: Telling<T, K> | Names<T[K], [...Depth, 0]> }[keyof T]
      : never

type Without<T, Path extends string> = Omit<T, Path>

// All but the one that mints tokens in development mode, whose token is what the caller asked for.
holds<Never<Extract<Names<Without<Outputs, 'connectTokens'>>, CredentialName>>>()
holds<Never<Exclude<Extract<Names<Outputs['connectTokens']>, CredentialName>, 'token'>>>()

// The walk finds what it looks for: the server API's own answer has them.
// @ts-expect-error credentials stand in what getAuth gives
holds<Never<Extract<Names<AuthFor<IntegrationList, string>>, CredentialName>>>()

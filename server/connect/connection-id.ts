// Names that follow from integration and account, so that a pair has one connection and one lease by construction.

import { compositeDigest } from './digest.ts'

/** Id of the one connection of an account to an integration. */
export const connectionIdOf = (integration: string, accountId: string): string =>
  `conn_${compositeDigest(integration, accountId)}`

/** Name of the lease and the fences under which the connection's credential is changed. */
export const credentialLeaseOf = (connectionId: string): string => `credential:${connectionId}`

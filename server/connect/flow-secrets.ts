// Opens what a flow keeps sealed between the form and the callback.

import type { ConnectContext } from './context.ts'
import type { AuthorizationRecord, FlowRecord } from './records.ts'
import { secretBox } from './secrets.ts'

/** What the secrets of a flow are opened with. */
export type SealedFlow = Pick<FlowRecord, 'id' | 'integration' | 'accountId' | 'secrets'>

/** Values of the flow's secret fields by name. Throws `unreadable_ciphertext`. */
export function flowSecrets({ vault }: ConnectContext, flow: SealedFlow): Record<string, string> {
  return secretBox(vault, 'flow').openAll(flow, flow.secrets)
}

/** The PKCE verifier of a trip to the provider, if it has one. Throws `unreadable_ciphertext`. */
export function verifierOf({ vault }: ConnectContext, trip: AuthorizationRecord): string | undefined {
  if (trip.verifier === null) return undefined
  return secretBox(vault, 'authorization').open(trip, { verifier: trip.verifier }, 'verifier')
}

// The sets of the connect service that hold sealed values, for the rotation of keys.

import type { SealedSet } from '../vault/sealed-set.ts'
import type { SealedRecordType } from '../vault/vault.ts'
import type { AuthorizationRecord, ConnectionRecord, FlowRecord, TeardownRecord } from './records.ts'
import { secretBox } from './secrets.ts'
import { authorizationSet, connectionSet, flowSet, teardownSet } from './sets.ts'

/**
 * While a refresh is open its holder has the secrets as it read them, and writes those of form fields back with the new
 * tokens.
 */
const connections: SealedSet<ConnectionRecord> = {
  set: connectionSet,
  busy: ({ refresh }) => (refresh === null ? undefined : 'an open refresh'),
  reseal: (record, vault) => ({ secrets: secretBox(vault, 'credential').reseal(record, record.secrets) }),
}

/** Pages and trips to the provider name the version of their flow. An ended flow has no secrets. */
const flows: SealedSet<FlowRecord> = {
  set: flowSet,
  busy: () => 'an open flow, which ends within 30 minutes',
  reseal: () => ({}),
}

const authorizations: SealedSet<AuthorizationRecord> = {
  set: authorizationSet,
  busy: () => undefined,
  reseal: (record, vault) => {
    const { verifier, parked = null } = record
    const sealed = { ...(verifier === null ? {} : { verifier }), ...(parked === null ? {} : { parked }) }
    return secretBox(vault, 'authorization').reseal(record, sealed)
  },
}

const teardowns: SealedSet<TeardownRecord> = {
  set: teardownSet,
  busy: () => undefined,
  reseal: (record, vault) => ({ secrets: secretBox(vault, 'teardown').reseal(record, record.secrets) }),
}

/** Sets with sealed values by the kind of record they are sealed for. */
export const connectSealedSets = {
  credential: [connections],
  flow: [flows],
  authorization: [authorizations],
  teardown: [teardowns],
} as const satisfies Partial<Record<SealedRecordType, readonly SealedSet[]>>

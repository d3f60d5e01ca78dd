// A grant that waits in its flow until the account has answered what is asked after authorisation. It is sealed for the
// flow, and a flow that ends without a connection gives it up in the write that ends it.

import type { ConnectContext } from './context.ts'
import type { Grant } from './grant.ts'
import { connectionIdOf } from './connection-id.ts'
import { identityKeyOf } from './identity-key.ts'
import type { FlowRecord } from './records.ts'
import { secretBox } from './secrets.ts'
import type { GivenUpGrant, Teardowns } from './teardown.ts'

const grantField = 'grant'

/** The grant as the secrets of its flow, which replace those of its form. */
export const sealGrant = ({ vault }: ConnectContext, flow: FlowRecord, grant: Grant): FlowRecord['secrets'] =>
  secretBox(vault, 'flow').seal(flow, { [grantField]: JSON.stringify(grant) })

/** The grant that waits in the flow; undefined when none does. Throws `unreadable_ciphertext`. */
export function openGrant({ vault }: ConnectContext, flow: FlowRecord): Grant | undefined {
  const text = flow.grantOpen ? secretBox(vault, 'flow').open(flow, flow.secrets, grantField) : undefined
  if (text === undefined) return undefined
  // Sealed by this service for this flow: nobody else can have written it.
  const grant: Grant = JSON.parse(text)
  return grant
}

/** A grant that its flow does not keep, as it is ended at the provider. */
export function givenUp(context: ConnectContext, flow: FlowRecord, grant: Grant): GivenUpGrant {
  const { integration, accountId } = flow
  const { fields, scopes, secrets, identity, via } = grant
  return {
    connectionId: connectionIdOf(integration, accountId),
    integration,
    accountId,
    identityKey: identityKeyOf(context, integration, identity.id),
    fields,
    scopes,
    secrets,
    via,
  }
}

/** What gives the flow's grant up; undefined when it has none, or none that can be read and ended. */
export function noteStaged(
  context: ConnectContext,
  teardowns: Teardowns,
  flow: FlowRecord,
): ReturnType<Teardowns['note']> {
  try {
    const grant = openGrant(context, flow)
    return grant && teardowns.note(givenUp(context, flow, grant))
  } catch (error) {
    const { id: flowId, integration } = flow
    context.log.warn(
      { err: error, flowId, integration },
      'the grant of a flow can not be ended at the provider',
    )
    return undefined
  }
}

// Tells the host that runs wait for a connection, and that they no longer do: an event for each connection, not for each
// run, which jobs can be triggered by.

import type { Connection } from '../../shared/auth.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { EngineCore } from './core.ts'
import type { Json } from './job.ts'
import { digest, parkings, type ParkingDocument } from './records.ts'

/** Sent when the first run begins to wait for a connection. */
export const missingEvent = 'authflow.connection.missing'
/** Sent when the connection that runs waited for is there. */
export const resolvedEvent = 'authflow.connection.missing_resolved'

/** What a job hears of a connection that its runs wait for. */
export interface MissingConnection {
  /** Id of the integration. */
  readonly integration: string
  /** The account as it was called when the runs began. */
  readonly accountId: string
  /** Since when they wait, ISO 8601. */
  readonly since: string
  /** As it is: broken, or back. Null when the account never connected. */
  readonly connection: Connection | null
}

/** Sends the event of a connection that is missing. Safe to repeat; what fails is sent by the sweep. */
export async function tellMissing(
  core: EngineCore,
  parking: Omit<ParkingDocument, 'version'>,
): Promise<void> {
  if (!(await tell(core, parking, missingEvent))) return
  await core.store.update(parkings, parking.id, { since: parking.since }, { set: { told: true } })
}

/** Sends the event of a connection that is there again, if its absence was told of. Safe to repeat. */
export async function tellResolved(core: EngineCore, parkingId: string): Promise<void> {
  const parking = await core.store.get(parkings, parkingId)
  if (parking?.told === true) await tell(core, parking, resolvedEvent)
}

async function tell(
  core: EngineCore,
  { integration, accountId, since }: Omit<ParkingDocument, 'version'>,
  name: string,
): Promise<boolean> {
  try {
    const connection = (await core.findConnection({ integration, accountId, since })) ?? null
    const payload: MissingConnection = {
      integration,
      accountId,
      since: new Date(since).toISOString(),
      connection,
    }
    const facts: Json = JSON.parse(JSON.stringify(payload))
    const id = digest(name, integration, accountId, since)
    await core.raise({ id, name, payload: facts, timestamp: new Date(core.now()) }, accountId)
    return true
  } catch (error) {
    // It was sent before, when the connection was in another state.
    if (isAuthFlowError(error) && error.code === 'event_conflict') return true
    // The runs must not suffer from it.
    core.log.warn({ integration, account: accountId, err: error }, `${name} could not be sent`)
    return false
  }
}

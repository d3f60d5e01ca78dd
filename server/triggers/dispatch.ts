// Events of a source on their way to the runs of one registration, and to no other's.

import { isAuthFlowError } from '../../shared/errors.ts'
import type { SourceEvent } from '../integrations/webhook-source.ts'
import { canonicalJson } from '../jobs/canonical-json.ts'
import { filterMatches } from '../jobs/event-filter.ts'
import { digest } from '../jobs/records.ts'
import { triggerSource, type TriggerContext } from './context.ts'
import type { AnyDynamicTrigger } from './registration.ts'
import type { RegistrationDocument } from './registration-records.ts'

const maxIdLength = 200

/** What came of one delivery or one look. */
export interface Batch {
  readonly events: readonly SourceEvent[]
  /** The delivery's id; absent for looks, whose events have ids of their own. */
  readonly deliveryId?: string
  readonly receivedAt?: number
}

/**
 * Starts the runs of the registration's events; resolves once they are durable. Repeated with the same ids it starts
 * nothing.
 */
export async function sendEvents(
  { engine, log, now }: TriggerContext,
  registration: RegistrationDocument,
  trigger: AnyDynamicTrigger,
  { events, deliveryId, receivedAt = now() }: Batch,
): Promise<void> {
  const { accountId, key, metadata, filter } = registration
  for (const [index, event] of events.entries()) {
    const { name, payload, timestamp = new Date(receivedAt), context } = event
    if (name !== trigger.event.name) continue
    if (filter !== null && !filterMatches(payload, filter)) continue
    const part = event.id ?? (events.length > 1 ? String(index) : undefined)
    const own =
      [deliveryId, part].filter((text) => text !== undefined).join('/') || digest(canonicalJson(payload))
    const id = `${own.length > maxIdLength ? digest(own) : own}:${registration.id.slice(0, 16)}`
    const input = {
      id,
      name,
      payload,
      timestamp,
      source: triggerSource(trigger.id),
      ...(context === undefined ? {} : { context }),
    }
    try {
      await engine.takeTriggered(input, { accountId, from: { id: key, metadata } })
    } catch (error) {
      // The same id with another payload: the provider's own copy was believed first. It is never run twice.
      if (!isAuthFlowError(error) || error.code !== 'event_conflict') throw error
      log.warn(
        { trigger: trigger.id, integration: registration.integration },
        'an event with this id was taken before',
      )
    }
  }
}

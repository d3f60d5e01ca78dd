// The triggers of a server put together.

import { randomUUID } from 'node:crypto'
import { createLeaseKeeper, type LeaseKeeper } from '../connect/held-lease.ts'
import { defaultRetention } from '../jobs/retention.ts'
import type { TriggerContext } from './context.ts'
import { createDeliveries, type Deliveries } from './deliveries.ts'
import { createRegistrations, type Registrations } from './registrations.ts'

/** Registrations and deliveries of one server. */
export interface Triggers {
  readonly registrations: Registrations
  readonly deliveries: Deliveries
}

/** What {@link createTriggers} takes; the clock is the store's and retention as usual unless given. */
export type TriggersOptions = Omit<TriggerContext, 'leases' | 'now' | 'retention'> &
  Partial<Pick<TriggerContext, 'now' | 'retention'>>

/** On a store that was migrated with `triggerSets`. */
export function createTriggers(options: TriggersOptions): Triggers {
  const { store } = options
  const context: TriggerContext = {
    ...options,
    leases: oneAtATime(createLeaseKeeper(store, `triggers/${randomUUID()}`)),
    retention: options.retention ?? defaultRetention,
    now: options.now ?? (() => store.now()),
  }
  return { registrations: createRegistrations(context), deliveries: createDeliveries(context) }
}

/** The store gives a lease to its holder again, so that within one process somebody else has to say no. */
function oneAtATime(keeper: LeaseKeeper): LeaseKeeper {
  const held = new Set<string>()
  return {
    ...keeper,
    async take(name) {
      if (held.has(name)) return undefined
      held.add(name)
      const give = (): void => void held.delete(name)
      const lease = await keeper.take(name).catch((error: unknown) => {
        give()
        throw error
      })
      if (!lease) {
        give()
        return undefined
      }
      return {
        fence: lease.fence,
        get lost() {
          return lease.lost
        },
        release: () => lease.release().finally(give),
      }
    },
  }
}

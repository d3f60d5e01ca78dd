// Sources that send nothing: asked again and again, each from where it was left. Events are durable before the place is
// written, and their ids tell what was there before, so that a crash in between starts nothing twice.

import type { PollSource, SourceEvent } from '../integrations/webhook-source.ts'
import { filterMatches } from '../jobs/event-filter.ts'
import type { TriggerContext } from './context.ts'
import { sendEvents } from './dispatch.ts'
import type { AnyDynamicTrigger } from './registration.ts'
import { paramsOf } from './source-params.ts'
import { registrations, type RegistrationDocument } from './registration-records.ts'
import { fetchFor, withAuth } from './source-auth.ts'

const intervalBounds = [10, 24 * 3600] as const
/** Pages of one look; the rest is for the next. */
const maxPages = 20

type Polled = Pick<RegistrationDocument, 'applied' | 'identityId' | 'progress' | 'state' | 'dueAt'>

/** How often a source is asked that has an answer, in ms. */
export function intervalOf({ intervalSeconds }: PollSource<unknown>): number {
  const [shortest, longest] = intervalBounds
  return Math.min(longest, Math.max(shortest, intervalSeconds)) * 1000
}

/** One look at the source; what is to be written of it. */
export async function pollRegistration(
  context: TriggerContext,
  found: RegistrationDocument,
  trigger: AnyDynamicTrigger & { readonly source: PollSource<unknown> },
): Promise<Polled> {
  const { source } = trigger
  // Another account or other parameters begin anew.
  let progress = found.applied?.revision === found.revision ? found.progress : null
  let identityId = found.identityId
  let hasMore = true
  for (let page = 0; hasMore && page < maxPages; page += 1) {
    const result = await withAuth(context, found, trigger, (auth) => {
      identityId = auth?.identity.id ?? null
      const params = paramsOf(source, found.params)
      return source.poll({ params, auth, fetch: fetchFor(context, trigger, identityId), progress })
    })
    await sendEvents(context, found, trigger, {
      events: result.events.filter((event) => isWanted(event, trigger)),
    })
    progress = result.progress ?? progress
    hasMore = result.hasMore === true
    const { id, fence } = found
    if (hasMore && !(await context.store.update(registrations, id, { fence }, { set: { progress } }))) break
  }
  const madeAt = Math.floor(context.now())
  const { revision, accountId, params } = found
  const applied = { revision, accountId, params, data: null, expiresAt: null, madeAt }
  const pauseMs = hasMore ? 1000 : intervalOf(source)
  return { applied, identityId, progress, state: 'active', dueAt: Math.ceil(context.now() + pauseMs) }
}

const isWanted = ({ name, payload }: SourceEvent, { event }: AnyDynamicTrigger): boolean =>
  name === event.name && (event.filter === undefined || filterMatches(payload, event.filter))

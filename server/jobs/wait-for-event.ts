// `io.waitForEvent`: the run's side of waiting for an event.

import { checkAccountId } from '../../shared/ids.ts'
import { canonicalJson } from './canonical-json.ts'
import { checkFilter } from './event-filter.ts'
import { checkText } from './event-input.ts'
import { eventWaitId, lookBack, sealFilters, takenBy, topicOf } from './event-waits.ts'
import type { Json } from './job.ts'
import type { AwaitedEvent, WaitForEventOptions } from './outside-io.ts'
import { waitOutside } from './outside-wait.ts'
import { digest, type JournalEntry } from './records.ts'
import { defaultSource } from './event-sources.ts'
import { parsePayload } from './payload-schema.ts'
import type { RunIOOptions } from './run-io.ts'
import { checkOptions, judgeCall, wrongCall, type NamedCall } from './wrong-call.ts'
import { eventWaits, type EventWaitDocument } from './wait-records.ts'

/** See `IO.waitForEvent`. */
export async function waitForEvent<Payload>(
  parts: RunIOOptions,
  key: string,
  options: WaitForEventOptions<Payload>,
): Promise<AwaitedEvent<Payload>> {
  const { core, run } = parts
  check({ name: 'waitForEvent', key, job: run.job }, options)
  const { name, source = defaultSource, accountId, filter, contextFilter, schema, timeoutInSeconds } = options
  const account = accountId ?? run.accountId
  const topic = topicOf(core.environment, { accountId: account, source, name })
  const filters = [filter ?? null, ...(contextFilter === undefined ? [] : [contextFilter])] as Json[]
  const asked = canonicalJson([name, source, accountId ?? null, ...filters])
  const side = new EventSide(parts, options, topic)
  const came = (await waitOutside(parts, {
    name: 'waitForEvent',
    kind: 'event',
    key,
    params: digest(asked).slice(0, 22),
    timeoutInSeconds,
    facts: () => ({ topic }),
    look: (entry) => side.look(entry),
    close: (entry) => side.close(entry),
    settle: (entry) => side.settle(entry),
  })) as Omit<AwaitedEvent<Json>, 'timestamp'> & { timestamp: number }
  const payload = parsePayload(schema, came.payload, run.job)
  return { ...came, payload, timestamp: new Date(came.timestamp) }
}

/** What is stored beside the run while it waits. */
class EventSide {
  readonly #parts: RunIOOptions
  readonly #options: WaitForEventOptions<unknown>
  readonly #topic: string

  constructor(parts: RunIOOptions, options: WaitForEventOptions<unknown>, topic: string) {
    this.#parts = parts
    this.#options = options
    this.#topic = topic
  }

  async look(entry: JournalEntry): Promise<string | undefined> {
    const { core, run } = this.#parts
    const wait = await this.#open(entry)
    if (wait.state === 'taken') return takenBy(core, wait)
    const since = this.#options.since?.getTime() ?? run.createdAt
    if (!(await lookBack(core, wait, { topic: this.#topic, since, own: run.event }))) return undefined
    return this.#taken(entry)
  }

  async close(entry: JournalEntry): Promise<string | undefined> {
    if (await this.#parts.core.store.remove(eventWaits, this.#idOf(entry), { state: 'open' }))
      return undefined
    return this.#taken(entry)
  }

  async settle(entry: JournalEntry): Promise<void> {
    await this.#parts.core.store.remove(eventWaits, this.#idOf(entry))
  }

  /** The record of the wait, made where it is not there yet. */
  async #open(entry: JournalEntry): Promise<EventWaitDocument> {
    const { core, run } = this.#parts
    const { path, until = 0 } = entry
    const id = this.#idOf(entry)
    const known = await core.store.get(eventWaits, id)
    if (known !== undefined) return known
    const wait = {
      id,
      runId: run.id,
      path,
      state: 'open' as const,
      expireAt: until + core.retention.eventMs,
      ...sealFilters(core, { runId: run.id, path }, this.#options),
    }
    if (await core.store.insert(eventWaits, wait)) return { ...wait, version: 1 }
    return this.#open(entry)
  }

  async #taken(entry: JournalEntry): Promise<string | undefined> {
    const { core } = this.#parts
    const wait = await core.store.get(eventWaits, this.#idOf(entry))
    return wait && takenBy(core, wait)
  }

  #idOf = ({ path }: JournalEntry): string => eventWaitId(this.#topic, this.#parts.run.id, path)
}

function check(call: NamedCall, options: WaitForEventOptions<unknown>): void {
  checkOptions(call, options)
  const { name, source, accountId, filter, contextFilter, since, schema } = options
  judgeCall(call, () => {
    checkText('name', name)
    if (source !== undefined) checkText('source', source)
    if (accountId !== undefined) checkAccountId(accountId)
    if (filter !== undefined) checkFilter(filter)
    if (contextFilter !== undefined) checkFilter(contextFilter, 'contextFilter')
  })
  if (since !== undefined && !(since instanceof Date && Number.isFinite(since.getTime())))
    throw wrongCall(call, 'since must be a valid Date.')
  if (schema !== undefined && typeof schema?.safeParse !== 'function')
    throw wrongCall(call, 'schema must have safeParse, as those of zod do.')
}

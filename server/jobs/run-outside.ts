// What `io` does beyond the run, put together from its parts.

import { awaitChild, startChildren, type ChildCall } from './child-runs.ts'
import type { EventInput, EventScope, SendEventOptions } from './engine.ts'
import type { Json, TaskOptions } from './job.ts'
import { wrongCall } from './journal-step.ts'
import type { AwaitedItem, InvokeAndWaitOptions, InvokeItem, JobRef, RunResult } from './outside-io.ts'
import { runParallel } from './parallel.ts'
import { digest } from './records.ts'
import type { RunIOOptions } from './run-io.ts'

/** What is done over the store is tried again while that is away. */
const storeRetry = { limit: 8, factor: 1.8, minTimeoutInMs: 500, maxTimeoutInMs: 30_000 }

/** A job as it is named in a call. */
type Named = JobRef<never, unknown> | string

/** What calls that do not wait have in common. */
interface ChildrenOf {
  readonly job: Named
  readonly cancelWithParent: boolean | undefined
}

const idOf = (job: Named): string => (typeof job === 'object' && job !== null ? job.id : job)

/** See `IO.invoke`. */
export async function invoke(
  parts: RunIOOptions,
  key: string,
  { job, item, cancelWithParent }: ChildrenOf & { item: InvokeItem },
): Promise<{ id: string }> {
  const call: ChildCall = {
    name: 'invoke',
    key,
    job: idOf(job),
    items: [item],
    awaited: false,
    cancelWithParent,
  }
  const [started] = await startChildren(parts, call)
  if (started === undefined) throw new RangeError('one item starts one run')
  return started
}

/** See `IO.batchInvoke`. */
export function batchInvoke(
  parts: RunIOOptions,
  key: string,
  { job, items, cancelWithParent }: ChildrenOf & { items: readonly InvokeItem[] },
): Promise<{ id: string }[]> {
  return startChildren(parts, {
    name: 'batchInvoke',
    key,
    job: idOf(job),
    items,
    awaited: false,
    cancelWithParent,
  })
}

/** See `IO.invokeAndWait`. */
export function invokeAndWait(
  parts: RunIOOptions,
  key: string,
  { job, item, options }: { job: Named; item: AwaitedItem; options: InvokeAndWaitOptions },
): Promise<RunResult> {
  const { timeoutInSeconds, cancelWithParent } = options
  const call = { name: 'invokeAndWait', key, job: idOf(job), items: [item], awaited: true, cancelWithParent }
  return awaitChild(parts, call, timeoutInSeconds)
}

/** See `IO.batchInvokeAndWait`: a branch for each item, so that each result is stored as it comes. */
export async function batchInvokeAndWait(
  parts: RunIOOptions,
  key: string,
  { job, items, options }: { job: Named; items: readonly AwaitedItem[]; options: InvokeAndWaitOptions },
): Promise<RunResult[]> {
  const wait = (item: AwaitedItem): Promise<RunResult> => invokeAndWait(parts, 'run', { job, item, options })
  return (await runParallel(parts, {
    key,
    items,
    callback: wait,
    options: { name: `${idOf(job)} of ${key}` },
  })) as RunResult[]
}

/** See `IO.sendEvent` and `IO.sendEvents`. Without ids of their own the events get some that a replay finds again. */
export function sendEvents(
  { core, run, runner }: RunIOOptions,
  key: string,
  { name, events, options }: { name: string; events: readonly EventInput[]; options: SendEventOptions },
): Promise<unknown> {
  if (!Array.isArray(events)) throw wrongCall({ name, key, job: run.job }, 'the events must be a list.')
  const scope = run.accountId === null ? {} : { accountId: run.accountId }
  return runner.run(
    key,
    (task) => {
      const given = events.map((event, at): EventInput => ({
        ...event,
        id: event?.id ?? `run:${digest(run.id, task.idempotencyKey, at)}`,
      }))
      return core.calls.sendEvents(given, { ...scope, ...options })
    },
    taskOptions(name, { events: plain(events), options: plain(options) }),
  )
}

/** See `IO.getEvent` and `IO.cancelEvent`. */
export function askEvent(
  { core, run, runner }: RunIOOptions,
  key: string,
  { verb, id, scope }: { verb: 'getEvent' | 'cancelEvent'; id: string; scope: EventScope },
): Promise<unknown> {
  const own = run.accountId === null ? {} : { accountId: run.accountId }
  const ask = (): Promise<unknown> => core.calls[verb](id, { ...own, ...scope })
  return runner.run(key, ask, taskOptions(verb, { id, scope: plain(scope) }))
}

const taskOptions = (name: string, params: Json): TaskOptions => ({ name, params, retry: storeRetry })

/** As JSON gives it back: what replay compares. */
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value ?? null)) as Json

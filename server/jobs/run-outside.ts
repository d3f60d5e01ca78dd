// What `io` does beyond the run, put together from its parts.

import { isAuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import { awaitChild, checkChildren, startChildren, type ChildCall } from './child-runs.ts'
import { deliverAtOf } from './delayed-events.ts'
import type { EventInput, EventScope, SendEventOptions } from './engine.ts'
import { checkEvent, checkText } from './event-input.ts'
import type { Json, OnError, TaskOptions } from './job.ts'
import type {
  AwaitedItem,
  InvokeAndWaitOptions,
  InvokeItem,
  JobRef,
  RunInvokeOptions,
  RunResult,
  WithParent,
} from './outside-io.ts'
import { checkTimeout } from './outside-wait.ts'
import { runParallel } from './parallel.ts'
import { digest, type RunDocument } from './records.ts'
import type { RunIOOptions } from './run-io.ts'
import { checkOptions, errorsAt, judgeCall, wrongCall, type NamedCall } from './wrong-call.ts'

/** What is done over the store is tried again while that is away, and not when it was wrong. */
const storeRetry = { limit: 8, factor: 1.8, minTimeoutInMs: 500, maxTimeoutInMs: 30_000 }
/** Most events of one call. */
const maxEvents = 1000

/** A job as it is named in a call. */
type Named = JobRef<never, unknown> | string

const idOf = (job: Named): string => (typeof job === 'object' && job !== null ? job.id : job)

/** See `IO.invoke`. */
export async function invoke(
  parts: RunIOOptions,
  key: string,
  { job, payload, options }: { job: Named; payload: Json; options: RunInvokeOptions },
): Promise<{ id: string }> {
  checkOptions({ name: 'invoke', key, job: parts.run.job }, options)
  const { cancelWithParent, ...rest } = options
  const item: InvokeItem = { ...rest, payload }
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
export async function batchInvoke(
  parts: RunIOOptions,
  key: string,
  { job, items, options }: { job: Named; items: readonly InvokeItem[]; options: WithParent },
): Promise<{ id: string }[]> {
  checkOptions({ name: 'batchInvoke', key, job: parts.run.job }, options)
  const { cancelWithParent } = options
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
export async function invokeAndWait(
  parts: RunIOOptions,
  key: string,
  { job, payload, options }: { job: Named; payload: Json; options: InvokeAndWaitOptions },
): Promise<RunResult> {
  checkOptions({ name: 'invokeAndWait', key, job: parts.run.job }, options)
  const { accountId, context, ...rest } = options
  const item = {
    payload,
    ...(accountId === undefined ? {} : { accountId }),
    ...(context === undefined ? {} : { context }),
  }
  return awaitItem(parts, key, { job, item, options: rest })
}

/** An item of a batch, or what is given as one call. */
interface AwaitedCall {
  readonly job: Named
  readonly item: AwaitedItem
  readonly options: Pick<InvokeAndWaitOptions, 'timeoutInSeconds' | 'cancelWithParent'>
}

function awaitItem(
  parts: RunIOOptions,
  key: string,
  { job, item, options: { timeoutInSeconds, cancelWithParent } }: AwaitedCall,
): Promise<RunResult> {
  const call = { name: 'invokeAndWait', key, job: idOf(job), items: [item], awaited: true, cancelWithParent }
  return awaitChild(parts, call, timeoutInSeconds)
}

/** See `IO.batchInvokeAndWait`: a branch for each item, so that each result is stored as it comes. */
export async function batchInvokeAndWait(
  parts: RunIOOptions,
  key: string,
  { job, items, options }: { job: Named; items: readonly AwaitedItem[]; options: InvokeAndWaitOptions },
): Promise<RunResult[]> {
  const named = { name: 'batchInvokeAndWait', key, job: parts.run.job }
  checkOptions(named, options)
  const { cancelWithParent, timeoutInSeconds } = options
  checkChildren(parts, { ...named, job: idOf(job), items, awaited: true, cancelWithParent })
  checkTimeout(named, timeoutInSeconds)
  const wait = (item: AwaitedItem): Promise<RunResult> => awaitItem(parts, 'run', { job, item, options })
  return (await runParallel(parts, {
    key,
    items,
    callback: wait,
    options: { name: `${idOf(job)} of ${key}` },
  })) as RunResult[]
}

/** See `IO.sendEvent` and `IO.sendEvents`. Without ids of their own the events get some that a replay finds again. */
export async function sendEvents(
  { core, run, runner }: RunIOOptions,
  key: string,
  { name, events, options }: { name: string; events: readonly EventInput[]; options: SendEventOptions },
): Promise<unknown> {
  const call = { name, key, job: run.job }
  if (!Array.isArray(events) || events.length > maxEvents)
    throw wrongCall(call, `the events must be a list of at most ${maxEvents}.`)
  checkOptions(call, options)
  judgeCall(call, () => {
    deliverAtOf(options, core.now())
    for (const event of events) checkEvent(event, options.accountId)
  })
  const sent = ofRun(run, options)
  return runner.run(
    key,
    (task) => {
      const given = events.map((event, at): EventInput => ({
        ...event,
        id: event.id ?? `run:${digest(run.id, task.idempotencyKey, at)}`,
      }))
      return core.calls.sendEvents(given, sent)
    },
    taskOptions(name, { events: plain(events), options: plain(options) }),
    giveUpAt(call),
  )
}

/** See `IO.getEvent` and `IO.cancelEvent`. */
export async function askEvent(
  { core, run, runner }: RunIOOptions,
  key: string,
  { verb, id, scope }: { verb: 'getEvent' | 'cancelEvent'; id: string; scope: EventScope },
): Promise<unknown> {
  const call = { name: verb, key, job: run.job }
  checkOptions(call, scope)
  judgeCall(call, () => {
    checkText('id', id)
    if (scope.source !== undefined) checkText('source', scope.source)
    if (scope.accountId !== undefined) checkAccountId(scope.accountId)
  })
  const ask = (): Promise<unknown> => core.calls[verb](id, ofRun(run, scope))
  const options = taskOptions(verb, { id, scope: plain(scope) })
  return runner.run(key, ask, options, giveUpAt(call))
}

/** With the run's own account where none is named, also by a member that is there and undefined. */
function ofRun<Scope extends { readonly accountId?: string }>(
  { accountId }: Pick<RunDocument, 'accountId'>,
  scope: Scope,
): Scope {
  return scope.accountId === undefined && accountId !== null ? { ...scope, accountId } : scope
}

/** Gives up at what another attempt can't change; to be made at the call, which the error is told of. */
function giveUpAt(call: NamedCall): OnError {
  const tell = errorsAt(call)
  return (error) => {
    if (isAuthFlowError(error) && error.retryable) return undefined
    const told = tell(error)
    return { skipRetrying: true, ...(told instanceof Error ? { error: told } : {}) }
  }
}

const taskOptions = (name: string, params: Json): TaskOptions => ({ name, params, retry: storeRetry })

/** As JSON gives it back: what replay compares. */
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value ?? null)) as Json

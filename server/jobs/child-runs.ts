// Runs that runs start: invoked by the id of their job, once however often their parent is replayed, because their ids
// are made of the parent's and the place of the call. A child knows its parent, and the jobs that led to it.

import { AuthFlowError } from '../../shared/errors.ts'
import { checkAccountId } from '../../shared/ids.ts'
import { canonicalJson } from './canonical-json.ts'
import { lastOf } from './continue-run.ts'
import type { Json } from './job.ts'
import type { InvokeItem, RunResult } from './outside-io.ts'
import { longestWaitSeconds, waitOutside, type OutsideWait } from './outside-wait.ts'
import {
  digest,
  eventKey,
  namedAt,
  runIdOf,
  type JournalEntry,
  type ParentLink,
  type RunDocument,
} from './records.ts'
import { checkText, payloadLimit, toText } from './event-input.ts'
import { invokeSource } from './event-sources.ts'
import type { RunIOOptions } from './run-io.ts'
import { judgeCall, wrongCall, type NamedCall } from './wrong-call.ts'

const maxDepth = 20
const maxItems = 1000

/** A call that starts runs of one job. */
export interface ChildCall {
  /** Of the method, for messages. */
  readonly name: string
  readonly key: string
  readonly job: string
  readonly items: readonly InvokeItem[]
  /** The parent waits for their end. */
  readonly awaited: boolean
  /** They are cancelled when it is (default: if they are awaited). */
  readonly cancelWithParent: boolean | undefined
}

/** Starts the runs; resolves with their ids, in the order of the items. See `IO.batchInvoke`. */
export async function startChildren(parts: RunIOOptions, call: ChildCall): Promise<{ id: string }[]> {
  const started = await waitOutside(parts, {
    ...common(parts, call),
    // Nothing to wait for but the store.
    timeoutInSeconds: longestWaitSeconds,
    look: async (entry) => {
      const ids = await Promise.all(call.items.map((_, at) => start(parts, call, { entry, at })))
      return JSON.stringify(ids.map((id) => ({ id })))
    },
    close: () => Promise.resolve(undefined),
  })
  return started as { id: string }[]
}

/** Starts a run and waits for its end. See `IO.invokeAndWait`. */
export async function awaitChild(
  parts: RunIOOptions,
  call: ChildCall,
  timeoutInSeconds: number | undefined,
): Promise<RunResult<Json>> {
  const find = ({ children = [] }: JournalEntry): Promise<RunDocument | undefined> =>
    lastOf(parts.core, children[0] ?? '')
  const resultOf = (child: RunDocument | undefined): string | undefined =>
    child?.endedAt === undefined ? undefined : resultText(parts, child)
  const result = await waitOutside(parts, {
    ...common(parts, call),
    timeoutInSeconds,
    look: async (entry) => {
      const child = await find(entry)
      if (child === undefined) await start(parts, call, { entry, at: 0 })
      return resultOf(child)
    },
    close: async (entry) => resultOf(await find(entry)),
    late: ({ children = [] }) =>
      failureText(children[0] ?? '', {
        code: 'wait_timeout',
        message: `The run of job ${call.job} was not over in time; it goes on.`,
      }),
  })
  return result as RunResult<Json>
}

type CommonPart = Pick<OutsideWait, 'name' | 'kind' | 'key' | 'params' | 'facts'>

/** What makes up both kinds of calls. Refuses what can never work, at every pass alike. */
function common(parts: RunIOOptions, call: ChildCall): CommonPart {
  const { name, key, job, items, awaited, cancelWithParent = awaited } = call
  checkChildren(parts, call)
  return {
    name,
    kind: 'invoke',
    key,
    params: digest(job, awaited ? 'awaited' : 'started', digestItems(call)).slice(0, 22),
    facts: (path, startedAt) => ({
      children: items.map((_, at) => childIdOf(parts, call, { entry: { path, startedAt }, at })),
      ...(cancelWithParent ? { cascades: true } : {}),
    }),
  }
}

/** One item of a call at its place in the run. */
interface ItemPlace {
  readonly entry: Pick<JournalEntry, 'path' | 'startedAt'>
  readonly at: number
}

async function start(parts: RunIOOptions, call: ChildCall, place: ItemPlace): Promise<string> {
  const { core, run } = parts
  const { payload, context, accountId } = itemAt(call, place.at)
  const { id } = await core.calls.invokeChild({
    job: call.job,
    payload,
    id: eventIdOf(parts, call, place),
    parent: linkTo(run, call.awaited),
    // Without one of its own it is the account that the run began as, whatever that is called today.
    ...(accountId === undefined ? { accountId: run.accountId, accountAt: namedAt(run) } : { accountId }),
    ...(context === undefined ? {} : { context }),
  })
  return id
}

function eventIdOf({ run }: RunIOOptions, call: ChildCall, { entry, at }: ItemPlace): string {
  const { path, startedAt } = entry
  // Like those of other events it begins with the time, so that records made together lie together.
  const time = Math.floor(startedAt).toString(16).padStart(12, '0')
  return (
    itemAt(call, at).idempotencyKey ??
    `evt_${time}${digest('child', run.id, path, startedAt, at).slice(0, 32)}`
  )
}

function childIdOf(parts: RunIOOptions, call: ChildCall, place: ItemPlace): string {
  const { core, run } = parts
  const account = itemAt(call, place.at).accountId ?? run.accountId
  const event = eventKey(core.environment, account, invokeSource(call.job), eventIdOf(parts, call, place))
  return runIdOf(event, call.job)
}

function itemAt({ items }: ChildCall, at: number): InvokeItem {
  const item = items[at]
  if (item === undefined) throw new RangeError('no such item')
  return item
}

/** What a child knows of those above it. */
function linkTo({ id, job, parent }: RunDocument, awaited: boolean): ParentLink {
  return {
    run: id,
    awaited,
    chain: [...(parent?.chain ?? []), job],
    waits: awaited ? (parent?.waits ?? 0) + 1 : 0,
  }
}

/**
 * Refuses what can never work, whatever the engine knows.
 *
 * @throws {@link AuthFlowError} `invalid_input`, `invoke_too_deep`, `invoke_cycle`
 */
export function checkChildren({ run }: RunIOOptions, call: ChildCall): void {
  const named = { name: call.name, key: call.key, job: run.job }
  checkItems(named, call)
  judgeCall(named, () => checkChain(run, call))
}

function checkChain(run: RunDocument, { awaited, job }: ChildCall): void {
  const { chain, waits } = linkTo(run, awaited)
  if (chain.length > maxDepth) {
    throw new AuthFlowError(
      'invoke_too_deep',
      `runs may invoke each other ${maxDepth} deep: ${[...chain, job].join(' → ')}.`,
      { details: { limit: maxDepth } },
    )
  }
  const waiting = waits === 0 ? [] : chain.slice(-waits)
  if (!waiting.includes(job)) return
  throw new AuthFlowError(
    'invoke_cycle',
    `job ${job} would wait for itself: ${[...waiting, job].join(' → ')}. Use io.invoke, or io.continueAsNew for a loop.`,
  )
}

function checkItems(named: NamedCall, { job, items, cancelWithParent }: ChildCall): void {
  if (typeof job !== 'string' || job === '') throw wrongCall(named, 'the job must be a job or its id.')
  if (!Array.isArray(items) || items.length > maxItems)
    throw wrongCall(named, `the items must be a list of at most ${maxItems}.`)
  if (items.some((item) => typeof item !== 'object' || item === null || !('payload' in item)))
    throw wrongCall(named, 'each item must be an object with a payload.')
  if (cancelWithParent !== undefined && typeof cancelWithParent !== 'boolean')
    throw wrongCall(named, 'cancelWithParent must be true or false.')
  for (const { payload, context = null, accountId, idempotencyKey } of items) {
    judgeCall(named, () => {
      toText('payload', payload, payloadLimit)
      toText('context', context, payloadLimit)
      if (accountId !== undefined) checkAccountId(accountId)
      if (idempotencyKey !== undefined) checkText('idempotencyKey', idempotencyKey)
    })
  }
}

function digestItems({ items }: ChildCall): string {
  const given = items.map(({ payload, accountId = null, context = null }) => [payload, accountId, context])
  return digest(canonicalJson(JSON.parse(JSON.stringify(given)) as Json))
}

function resultText({ core }: RunIOOptions, child: RunDocument): string {
  const session = core.vault.session('run', child.id)
  if (child.state === 'succeeded') {
    const output = child.output === undefined ? 'null' : session.open(child.output, 'output')
    return `{"ok":true,"run":${JSON.stringify({ id: child.id })},"output":${output}}`
  }
  if (child.error === undefined)
    return failureText(child.id, {
      code: 'run_cancelled',
      message: `The run of job ${child.job} was cancelled.`,
    })
  return failureText(
    child.id,
    JSON.parse(session.open(child.error, 'error')) as { code: string; message: string },
  )
}

const failureText = (id: string, error: { code: string; message: string }): string =>
  JSON.stringify({ ok: false, run: { id }, error })

// Reads and moves flows. Every move is a compare-and-set on the version that was read, so of two that race one wins. A
// flow that ran out of time, or whose process died while it talked to the provider, is ended by whoever reads it next.

import { AuthFlowError } from '../../shared/errors.ts'
import { isFinalStage } from '../../shared/flow.ts'
import { updateStep, type NewDocument } from '../store/store.ts'
import type { ConnectContext } from './context.ts'
import type { FlowHub } from './flow-hub.ts'
import type { FlowRecord } from './records.ts'
import { flowSet } from './sets.ts'
import { noteStaged } from './staged-grant.ts'
import type { Teardowns } from './teardown.ts'

/** How long a flow can be read after it ended, in ms. */
export const readableAfterEndMs = 10 * 60_000
/** How long a flow may talk to the provider before it counts as interrupted, in ms. */
export const busyLimitMs = 90_000

/** What a move changes. */
export type FlowMove = Partial<Omit<FlowRecord, 'id' | 'version'>>

/** Flows of one connect service. */
export interface FlowStore {
  /** False when the id is taken. */
  insert(flow: NewDocument<FlowRecord>): Promise<boolean>
  /** The flow, ended if it is overdue; undefined when there is none. */
  find(id: string): Promise<FlowRecord | undefined>
  /** Those that exist, ended if overdue. */
  findMany(ids: readonly string[]): Promise<FlowRecord[]>
  /** The flow after the move; undefined when it was moved by another meanwhile. */
  tryMove(flow: FlowRecord, move: FlowMove): Promise<FlowRecord | undefined>
  /** The flow after the move. Throws `flow_conflict` when it was moved by another meanwhile. */
  move(flow: FlowRecord, move: FlowMove): Promise<FlowRecord>
  /** To be called when a transaction changed the flow. */
  changed(id: string): void
}

/** What every ended flow has in common; secrets are gone. */
export const endOf = (
  now: number,
): Pick<FlowRecord, 'secrets' | 'busyUntil' | 'deviceOpen' | 'grantOpen'> & {
  readonly expireAt: number
} => ({
  secrets: {},
  busyUntil: null,
  deviceOpen: false,
  grantOpen: false,
  expireAt: now + readableAfterEndMs,
})

/** The flows of a connect service. */
export function createFlowStore(context: ConnectContext, hub: FlowHub, teardowns: Teardowns): FlowStore {
  const { store } = context
  const tryMove = async (flow: FlowRecord, move: FlowMove): Promise<FlowRecord | undefined> => {
    const ends = move.stage !== undefined && isFinalStage(move.stage)
    const set = { ...move, ...(ends ? endOf(store.now()) : {}) }
    const moved =
      ends && flow.grantOpen
        ? await endStaged(flow, set)
        : await store.updateAndGet(flowSet, flow.id, { version: flow.version }, { set })
    if (moved) hub.notify(flow.id)
    return moved
  }
  /** Ends a flow together with the grant that waited in it: {@link completeFlow} keeps grants by a write of its own. */
  const endStaged = async (flow: FlowRecord, set: FlowMove): Promise<FlowRecord | undefined> => {
    const noted = noteStaged(context, teardowns, flow)
    const end = updateStep(flowSet, flow.id, { version: flow.version }, { set })
    if (!(await store.transact([end, ...(noted ? [noted.step] : [])]))) return undefined
    if (noted) teardowns.runSoon(noted.id)
    return store.get(flowSet, flow.id)
  }
  const endOverdue = async (flow: FlowRecord): Promise<FlowRecord> => {
    const error = overdueError(flow, store.now())
    if (!error) return flow
    const moved = await tryMove(flow, { stage: 'failed', error: error.toReply() })
    return moved ?? (await store.get(flowSet, flow.id)) ?? flow
  }
  return {
    tryMove,
    insert: (flow) => store.insert(flowSet, flow),
    async find(id) {
      const flow = await store.get(flowSet, id)
      return flow && endOverdue(flow)
    },
    async findMany(ids) {
      const flows = await store.getMany(flowSet, ids)
      return Promise.all(flows.map(endOverdue))
    },
    async move(flow, move) {
      const moved = await tryMove(flow, move)
      if (!moved) throw new AuthFlowError('flow_conflict')
      return moved
    },
    changed: (id) => hub.notify(id),
  }
}

function overdueError(flow: FlowRecord, now: number): AuthFlowError | undefined {
  if (isFinalStage(flow.stage)) return undefined
  if (flow.endsAt <= now) return new AuthFlowError('flow_expired')
  const by = flow.confirmation?.by ?? null
  if (by !== null && by <= now) return new AuthFlowError('confirmation_expired')
  if (flow.busyUntil === null || flow.busyUntil > now) return undefined
  return new AuthFlowError('provider_unavailable', 'Connecting was interrupted. Start again.')
}

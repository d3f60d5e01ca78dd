// The long poll by which pages follow their flows.

import type { FlowView } from '../../shared/flow.ts'
import type { TokenCaller } from './connect.ts'
import { covers } from './flow.ts'
import type { SeenFlow } from './flow-hub.ts'
import type { FlowParts, WaitingParts } from './flow-parts.ts'
import type { FlowRecord } from './records.ts'
import type { PresentedToken } from './tokens.ts'
import { flowView } from './views.ts'

const maxWaitMs = 25_000
/** Flows of one call; more are ignored. */
const maxFlows = 20

/**
 * The flows that differ from the versions given, at once or as soon as one does within `waitMs`. A live token reads the
 * flows of its account and integrations; an expired or spent one only those it began. Flows that can't be read are left
 * out, as unknown ones are. Answers at once with what there is when too many wait already.
 *
 * @throws {@link AuthFlowError} those of {@link Tokens.present}; `token_expired` or `token_spent` when such a token
 *   can read none of the flows
 */
export async function watchFlows(
  parts: WaitingParts,
  caller: TokenCaller,
  input: { readonly flows: readonly SeenFlow[]; readonly waitMs: number; readonly signal: AbortSignal },
): Promise<FlowView[]> {
  const { context, tokens, hub } = parts
  const presented = await tokens.present(caller)
  const seen = input.flows.slice(0, maxFlows)
  const endsAt = performance.now() + Math.min(Math.max(0, input.waitMs), maxWaitMs)
  const giveBack = input.waitMs > 0 ? hub.hold(presented.record.id) : undefined
  const left = new AbortController()
  const signal = AbortSignal.any([input.signal, left.signal])
  try {
    for (;;) {
      const leftMs = giveBack ? endsAt - performance.now() : 0
      // Waiting begins before the read: a change in between is not missed.
      const changed = leftMs > 0 ? hub.wait(seen, leftMs, signal) : undefined
      const readable = await readFlows(parts, presented, seen)
      const differing = readable.filter(({ id, version }) => version !== versionSeen(seen, id))
      const over = leftMs <= 0 || hub.closed || input.signal.aborted || readable.length === 0
      if (differing.length > 0 || over) {
        return differing.map((flow) => flowView(flow, context.integration(flow.integration)))
      }
      await changed
    }
  } finally {
    left.abort()
    giveBack?.()
  }
}

const versionSeen = (seen: readonly SeenFlow[], id: string): number | undefined =>
  seen.find((flow) => flow.id === id)?.version

async function readFlows(
  { flows }: FlowParts,
  { record, dead }: PresentedToken,
  seen: readonly SeenFlow[],
): Promise<FlowRecord[]> {
  const found = await flows.findMany([...new Set(seen.map(({ id }) => id))])
  const isOwn = (flow: FlowRecord): boolean => flow.beganWith === record.id || flow.tokenId === record.id
  const readable = found.filter((flow) => covers(record, flow) && (!dead || isOwn(flow)))
  if (dead && readable.length === 0) throw dead
  return readable
}

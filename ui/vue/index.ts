// Vue's view of the stores: composables whose snapshots are refs. The elements themselves are used as they are, with
// `isCustomElement` for tags that begin with `auth-`.

import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'
import {
  createConnections,
  type ConnectionList,
  type ConnectionsOptions,
  type ConnectionsSnapshot,
} from '../flow/connections.ts'
import { createAuthFlow } from '../flow/create-auth-flow.ts'
import type { AuthFlowOptions, ConnectFlow, FlowSnapshot } from '../flow/flow.ts'
import { cleanReturnUrl, findPending } from '../flow/pending.ts'

interface Store<Snapshot> {
  subscribe(listener: () => void): () => void
  getSnapshot(): Snapshot
}

/** A ref of the snapshot, for as long as the scope lives. */
function snapshotOf<Snapshot>(store: Store<Snapshot>, onEnd?: () => void): Readonly<ShallowRef<Snapshot>> {
  const snapshot = shallowRef(store.getSnapshot())
  const unsubscribe = store.subscribe(() => (snapshot.value = store.getSnapshot()))
  onScopeDispose(() => {
    unsubscribe()
    onEnd?.()
  })
  return snapshot
}

/**
 * A flow without elements: its snapshot as a ref, and its steps. Options are read when they are needed, so a `reactive`
 * object may change them; another integration, account or endpoint needs another flow. Polling stops with the scope.
 */
export function useAuthFlow(options: AuthFlowOptions): {
  readonly snapshot: Readonly<ShallowRef<FlowSnapshot>>
  readonly flow: ConnectFlow
} {
  const flow = createAuthFlow(options)
  const snapshot = snapshotOf(flow, () => flow.pause())
  // Nothing is read while a page is rendered on a server.
  const pending = typeof document === 'object' && findPending(options, true)
  if (pending) {
    void flow.resume(pending)
    if (pending.returned) cleanReturnUrl()
  }
  return { snapshot, flow }
}

/** The account's connections to some integrations as a ref, and the way to read them; in a browser they are read at once. */
export function useConnections(options: ConnectionsOptions): {
  readonly snapshot: Readonly<ShallowRef<ConnectionsSnapshot>>
  readonly list: ConnectionList
} {
  const list = createConnections(options)
  const snapshot = snapshotOf(list)
  if (typeof document === 'object') void list.refresh()
  return { snapshot, list }
}

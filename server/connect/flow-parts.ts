// What the steps of a flow are given to work with. Each takes as much of it as it needs.

import type { ConnectContext } from './context.ts'
import type { FlowHub } from './flow-hub.ts'
import type { FlowStore } from './flow-store.ts'
import type { Teardowns } from './teardown.ts'
import type { Tokens } from './tokens.ts'

/** For steps that only move a flow. */
export interface FlowParts {
  readonly context: ConnectContext
  readonly tokens: Tokens
  readonly flows: FlowStore
}

/** For steps that may end in a connection. */
export interface FinishParts extends FlowParts {
  readonly teardowns: Teardowns
}

/** For steps that wait for a flow. */
export interface WaitingParts extends FinishParts {
  readonly hub: FlowHub
}

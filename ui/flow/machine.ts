// The states of connecting as a page sees them, and which may follow which: one pure table. The server's stages are
// states of their own; the browser adds what only it can know. No DOM, no network.

import type { FlowStage } from '../../shared/flow.ts'

/**
 * State of a flow in the page: a stage of the server's, or one of the browser's own. `idle`: nothing was begun.
 * `loading`: the integration's description, or a flow to resume, is being read. `submitting`: values are with the
 * server. `blocked`: everything is ready and the window could not be opened; the next click opens it.
 */
export type FlowState = FlowStage | 'idle' | 'loading' | 'submitting' | 'blocked'

/** The states that may follow each state. Staying is always allowed; everything else is not. */
export const transitions: Readonly<Record<FlowState, readonly FlowState[]>> = {
  idle: ['loading', 'choose', 'fields', 'submitting', 'failed'],
  loading: [
    'idle',
    'choose',
    'fields',
    'submitting',
    'authorize',
    'configure',
    'verify',
    'done',
    'failed',
    'cancelled',
  ],
  choose: ['idle', 'loading', 'fields', 'submitting', 'failed', 'cancelled'],
  fields: ['idle', 'loading', 'choose', 'submitting', 'failed', 'cancelled'],
  submitting: [
    'idle',
    'choose',
    'fields',
    'blocked',
    'authorize',
    'configure',
    'verify',
    'done',
    'failed',
    'cancelled',
  ],
  blocked: ['idle', 'choose', 'fields', 'submitting', 'authorize', 'verify', 'done', 'failed', 'cancelled'],
  authorize: ['idle', 'fields', 'submitting', 'configure', 'verify', 'done', 'failed', 'cancelled'],
  configure: ['idle', 'submitting', 'verify', 'done', 'failed', 'cancelled'],
  verify: ['idle', 'fields', 'authorize', 'configure', 'done', 'failed', 'cancelled'],
  done: ['idle', 'loading', 'choose', 'fields', 'submitting', 'failed'],
  failed: ['idle', 'loading', 'choose', 'fields', 'submitting', 'cancelled'],
  // `done` may follow: the provider's answer can be faster than the user's change of mind.
  cancelled: ['idle', 'loading', 'choose', 'fields', 'submitting', 'done', 'failed'],
}

/** True when `to` may follow `from`, and for staying. Late answers that may not are dropped by the caller. */
export const canMove = (from: FlowState, to: FlowState): boolean =>
  from === to || transitions[from].includes(to)

/** True in the states where the page waits for somebody else: the server, or the user at the provider. */
export const isBusy = (state: FlowState): boolean =>
  ['loading', 'submitting', 'authorize', 'verify'].includes(state)

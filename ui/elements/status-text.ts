// How a flow stands, in words.

import type { FlowSnapshot } from '../flow/flow.ts'
import { fill, type Messages } from '../messages.ts'

/** What to tell the user; empty when there is nothing to tell. */
export function statusText(snapshot: FlowSnapshot, messages: Messages): string {
  const { state, error, errors, popup, name, identity, connectionState } = snapshot
  // Errors at fields are told at the fields.
  if (error && !errors.length) return messages.errors[error.code] ?? error.message
  const known =
    connectionState === 'active' ? messages.connected : connectionState === 'none' ? '' : messages.needsReauth
  const text = {
    idle: known,
    loading: messages.loading,
    choose: '',
    fields: '',
    submitting: messages.submitting,
    blocked: messages.blocked,
    authorize: popup === 'lost' ? messages.lost : messages.authorize,
    configure: '',
    verify: messages.verify,
    done: messages.connected,
    failed: '',
    cancelled: messages.cancelled,
  }[state]
  return fill(text, { name, identity })
}

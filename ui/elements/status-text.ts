// How a flow stands, in words; and the live region for pages without <auth-status>.

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

let region: HTMLElement | undefined

/** Has a screen reader say the text, politely, without showing it. */
export function announce(text: string): void {
  region ??= document.createElement('div')
  if (!region.isConnected || region.parentElement !== place()) {
    region.setAttribute('role', 'status')
    Object.assign(region.style, {
      position: 'absolute',
      width: '1px',
      height: '1px',
      overflow: 'hidden',
      clipPath: 'inset(50%)',
    })
    place().append(region)
  }
  region.textContent = text
}

// Everything outside an open dialog is inert.
const place = (): Element => document.querySelector('dialog:modal') ?? document.body

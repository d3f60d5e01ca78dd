// How a flow stands, in words; and the live region of pages where no <auth-status> is to be seen.

import type { FlowSnapshot } from '../flow/flow.ts'
import { fill, type StatusMessages } from '../messages.ts'
import { make } from './dom.ts'

/** What to tell the user; empty when there is nothing to tell. */
export function statusText(snapshot: FlowSnapshot, messages: StatusMessages): string {
  const { state, error, errors, popup, connectionState } = snapshot
  // Errors at fields are told at the fields.
  if (error && !errors[0])
    return fill(messages.errors?.[error.code] ?? messages.error ?? error.message, snapshot)
  const key = state === 'authorize' && popup === 'lost' ? popup : state === 'idle' ? connectionState : state
  return fill(messages[key] ?? '', {
    ...snapshot,
    place: snapshot.place && fill(messages.in ?? '', snapshot),
  })
}

let region: HTMLElement | undefined

/** Time that screen readers need to notice a new region before its text changes. */
const noticeMs = 100

/** Has screen readers say a text, politely; it is not to be seen. */
export function announce(text: string): void {
  region ??= make('div', { role: 'status' })
  region.style.cssText = 'position:absolute;clip-path:inset(50%)'
  // Everything outside an open dialog is inert.
  const place = document.querySelector('dialog:modal') ?? document.body
  if (region.parentNode !== place) place.append(region)
  setTimeout(() => region?.textContent !== text && region?.replaceChildren(text), noticeMs)
}

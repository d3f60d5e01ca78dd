// The live region of pages where no <auth-status> is to be seen. One for the page, polite, not visible.

import type { FlowSnapshot } from '../flow/flow.ts'
import { english, type Messages } from '../messages.ts'
import { statusText } from './status-text.ts'

const region = document.createElement('div')
region.setAttribute('role', 'status')
Object.assign(region.style, {
  position: 'absolute',
  width: '1px',
  height: '1px',
  overflow: 'hidden',
  clipPath: 'inset(50%)',
})

/** Time that screen readers need to notice a new region before its text changes. */
const noticeMs = 100

/** Has screen readers say how the flow stands. Nothing new is not said again. */
export function announce(snapshot: FlowSnapshot, messages: Partial<Messages> | undefined): void {
  const text = statusText(snapshot, { ...english, ...messages })
  // Everything outside an open dialog is inert.
  const place = document.querySelector('dialog:modal') ?? document.body
  if (region.parentElement !== place) place.append(region)
  setTimeout(() => {
    if (region.textContent !== text) region.textContent = text
  }, noticeMs)
}

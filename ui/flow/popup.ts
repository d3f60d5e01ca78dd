// The window at the provider, and the form POST that starts it. The window is opened empty in the user's gesture; the
// form is built inside its own document, so that the POST carries the page's origin whatever the page's referrer
// policy is, and the opener is cut before anybody else's page loads there.

import type { StartForm } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'

/** An empty window, or null when the browser blocks it. Call it in the user's gesture. */
export const openPopup = (): Window | null =>
  // Nobody can guess the name, so no other page can send this window somewhere.
  open('', createFlowId(), 'popup,width=600,height=760')

/** Makes the form send `data` when it is submitted. The values are never in the document. */
export function fillStart(form: HTMLFormElement, action: string, data: StartForm): void {
  form.method = 'post'
  form.action = action
  form.addEventListener('formdata', ({ formData }) => {
    for (const [name, value] of Object.entries(data)) if (value) formData.set(name, value)
  })
  // A page that sends no referrer would also send no usable origin.
  const meta = form.ownerDocument.createElement('meta')
  meta.name = 'referrer'
  meta.content = 'strict-origin'
  form.ownerDocument.head.append(meta)
}

/** Starts in the window that was opened for it. Calls back if the page's policy, which the window inherits, forbids it. */
export function startInPopup(popup: Window, action: string, data: StartForm, onBlocked: () => void): void {
  popup.opener = null
  popup.document.addEventListener('securitypolicyviolation', onBlocked)
  startIn(popup.document, action, data)
}

/** Starts in place of what the page shows, or of the whole page with `_top` as target. */
export function startIn(page: Document, action: string, data: StartForm, target = ''): void {
  const form = page.createElement('form')
  form.hidden = true
  form.target = target
  fillStart(form, action, data)
  page.body.append(form)
  form.submit()
}

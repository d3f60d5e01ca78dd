// What the server wrote into the page about the demo: which services there are. A script of its own before main.ts, so
// that it runs before the elements are defined and a service that is not there asks for nothing. (main.ts can't import it
// for its effect alone: `sideEffects` in package.json lets the bundler drop that.)

import type { ServiceName } from './actions.ts'

/** The demo as the page finds it. */
interface Session {
  readonly standIns: boolean
  readonly missing: readonly { readonly service: ServiceName; readonly variables: readonly string[] }[]
}

const session: Session = JSON.parse(document.querySelector('#session')?.textContent ?? '{"missing":[]}')

for (const { service } of session.missing) document.querySelector(`[data-service=${service}]`)?.remove()
for (const note of document.querySelectorAll<HTMLElement>('[data-mode]')) note.hidden = !session.standIns
const note = document.querySelector<HTMLElement>('[data-missing]')
if (note && session.missing.length > 0) {
  const lines = session.missing.map(({ service, variables }) => `${service}: ${variables.join(' and ')}`)
  note.textContent = `Some services are not shown because their apps are not configured. These variables add them. ${lines.join('; ')}.`
  note.hidden = false
}

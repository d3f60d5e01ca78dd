// These pages hide a service's sign-in button while it is connected and its disconnect button while it is not. Whoever
// used the one by keyboard goes on at the control that took its place.

let last: Element | null = null

document.addEventListener('focusin', ({ target }) => {
  last = target instanceof Element ? target.closest('auth-flow') : null
})

function keepFocus(flow: Element): void {
  const focused = document.activeElement
  const lost = focused === null || focused === document.body || !focused.checkVisibility()
  if (!lost) return
  const controls = [...flow.querySelectorAll<HTMLElement>('button')]
  controls.find((control) => control.checkVisibility())?.focus({ preventScroll: true })
}

new MutationObserver((changes) => {
  if (last && changes.some(({ target }) => target === last)) keepFocus(last)
}).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-connection'] })

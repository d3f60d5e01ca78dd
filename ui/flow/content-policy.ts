// Notices when the host's Content-Security-Policy keeps authflow from its server. A blocked fetch fails like any other
// network error; only the violation event tells them apart.

const blocked = new Set<string>()
let listening = false

/** Starts to notice violations in the page; once. */
export function watchPolicy(): void {
  if (listening) return
  listening = true
  document.addEventListener('securitypolicyviolation', ({ blockedURI, effectiveDirective }) => {
    if (effectiveDirective === 'connect-src') blocked.add(new URL(blockedURI, location.href).origin)
  })
}

/** True when the page's policy blocked a request to the origin of `url` since the page was loaded. */
export async function isPolicyBlocked(url: string): Promise<boolean> {
  // The event is a task of its own, which may come after the failure.
  await new Promise((resolve) => setTimeout(resolve, 50))
  return blocked.has(new URL(url).origin)
}

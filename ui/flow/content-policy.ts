// Notices when the host's Content-Security-Policy keeps authflow from its server. A blocked fetch fails like any other
// network error; only the violation event tells them apart.

const blocked = new Set<string>()
let listening = false

/** Calls back for every request or form that the document's policy blocks. */
export function watchPolicy(page: Document, callback: (uri: string) => void): void {
  page.addEventListener('securitypolicyviolation', ({ blockedURI, effectiveDirective }) => {
    if (/^(connect-src|form-action)/.test(effectiveDirective)) callback(blockedURI)
  })
}

/** Starts to notice violations in the page; once. */
export function watchPagePolicy(): void {
  if (!listening) watchPolicy(document, (uri) => blocked.add(new URL(uri, location.href).origin))
  listening = true
}

/** True when the page's policy blocked a request to the origin of `url` since the page was loaded. */
export async function isPolicyBlocked(url: string): Promise<boolean> {
  // The event is a task of its own, which may come after the failure.
  await new Promise((resolve) => setTimeout(resolve, 50))
  return blocked.has(new URL(url).origin)
}

// The one child that an element renders into.

/** The child, made or put back where a framework took it away. Its styles of display do not get in the author's way. */
export function ownRoot(host: Element, known: HTMLElement | undefined): HTMLElement {
  const root = known ?? document.createElement('div')
  root.style.display = 'contents'
  root.dataset['authRoot'] = ''
  if (root.parentNode !== host) host.append(root)
  return root
}

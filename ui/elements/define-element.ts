// Defines an element, unless the page has defined it already.

/** Defines `tag` by its class. Whoever comes first stays. */
export function define(tag: string, constructor: CustomElementConstructor): void {
  if (!customElements.get(tag)) customElements.define(tag, constructor)
}

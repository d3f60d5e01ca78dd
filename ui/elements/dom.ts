// The few words of DOM that the elements use. They render little, and into one child of their own, which a template
// library would cost more to fill than all that fills it.

/** Sets an attribute, or takes it away for false, undefined and null. True is the empty value. */
export function set(element: Element, name: string, value: string | boolean | undefined | null): void {
  if (value || value === '') element.setAttribute(name, value === true ? '' : value)
  else element.removeAttribute(name)
}

/** A new element with attributes and content. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | boolean | undefined | null>> = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) set(element, name, value)
  element.append(...content)
  return element
}

/** A new element that is a part, for CSS to find. */
export const part = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  name: string,
  attributes: Parameters<typeof make>[1] = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] => make(tag, { 'data-part': name, ...attributes }, ...content)

/** Puts a root into its host, and gives parts without classes those that the host has for them (`label-class`). */
export function mount(host: Element, root: Element): void {
  if (root.parentNode !== host) host.append(root)
  for (const one of root.querySelectorAll('[data-part]:not([class])'))
    set(one, 'class', host.getAttribute(`${one.getAttribute('data-part')}-class`))
}

/** An element that leaves the layout to what is around it. */
export function frame(name: string): HTMLElement {
  const element = make('div', { [name]: true })
  element.style.display = 'contents'
  return element
}

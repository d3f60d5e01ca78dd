// What the elements share: how a part finds its <auth-flow>, and the controls that the author marks with
// `data-auth-action`. No element has a shadow root, and none but <auth-form> and <auth-status> has children of its own.

import { ReactiveElement, type PropertyDeclarations } from '@lit/reactive-element'
import type { AuthFlowEvents, EventDetail } from '../events.ts'
import type { FlowSnapshot } from '../flow/flow.ts'
import { statusEnglish, type Messages, type StatusMessages } from '../messages.ts'
import type { AuthFlowElement } from './auth-flow.ts'

/** The parts in documents, so that a flow that comes later finds those that wait for it. */
const parts = new Set<AuthPart>()

/** Lets every part look for its flow again. */
export const linkParts = (): void => parts.forEach((part) => part.link())

const languages = new Map<string, Partial<Messages>>()

/**
 * Gives the elements texts in a language, for everything below the nearest `lang` attribute of that language. `de` serves
 * `de-AT`, too, where that has no texts of its own. Called again for a language, it replaces its texts.
 */
export function registerMessages(language: string, messages: Partial<Messages>): void {
  languages.set(language.toLowerCase(), messages)
  linkParts()
}

/** Base of all elements: light DOM, and `data-auth-action`. */
export abstract class AuthElement extends ReactiveElement {
  static override properties: PropertyDeclarations = { messages: { attribute: false } }

  /** Texts instead of those of the language; a flow's serve its parts, too. */
  declare messages: Partial<Messages> | undefined

  constructor() {
    super()
    // Whoever points at or goes into any part is about to need it.
    for (const type of ['pointerover', 'focusin'])
      this.addEventListener(type, () => this.flowElement?.intend())
    this.addEventListener('click', (event) => {
      const action =
        event.target instanceof Element &&
        event.target.closest('[data-auth-action]')?.getAttribute('data-auth-action')
      // Inside a host's form every button would submit it.
      if (action && !event.defaultPrevented && this.act(action)) event.preventDefault()
    })
  }

  /** Does what a control says; false where there is nobody to do it. */
  protected act(action: string): boolean {
    const flow = this.flowElement
    if (!flow) return false
    if (action === 'start') flow.start()
    else if (isAction(action)) void flow.flow[action]()
    // What was asked before the panel was closed is asked again.
    if (flow.asks && action !== 'disconnect') flow.show('trigger')
    return true
  }

  /** Dispatches an event; false when it was canceled. */
  emit<Name extends keyof AuthFlowEvents>(name: Name, detail: EventDetail<Name>): boolean {
    return this.dispatchEvent(
      new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }),
    )
  }

  /** The flow that the element belongs to. */
  abstract get flowElement(): AuthFlowElement | undefined

  /** The nearest `lang`; empty where there is none. */
  get language(): string {
    return this.closest<HTMLElement>('[lang]')?.lang ?? ''
  }

  /** The texts to show: the author's, else those of the language, else those in English; of controls not the English. */
  get texts(): StatusMessages & Partial<Messages> {
    const language = this.language.toLowerCase()
    return {
      ...statusEnglish,
      ...(languages.get(language) ?? languages.get(language.replace(/-.*/, ''))),
      ...this.flowElement?.messages,
      ...this.messages,
    }
  }

  /** The author's markup is the content: there is no shadow root. */
  protected override createRenderRoot(): HTMLElement {
    return this
  }
}

const isAction = (
  value: string,
): value is 'cancel' | 'configure' | 'retry' | 'reopen' | 'reconnect' | 'disconnect' =>
  /^(cancel|configure|re(try|open|connect)|disconnect)$/.test(value)

/** Base of the elements that show a flow: inside <auth-flow>, or anywhere with `for` and the flow's id. */
export abstract class AuthPart extends AuthElement {
  static override properties: PropertyDeclarations = { htmlFor: { attribute: 'for' } }

  /** Id of the <auth-flow> that this element belongs to, where it does not stand inside it. */
  declare htmlFor: string | undefined

  #flowElement: AuthFlowElement | undefined
  // Frameworks add children when they please.
  readonly #children = new MutationObserver(() => this.refresh())

  get flowElement(): AuthFlowElement | undefined {
    return this.#flowElement
  }

  override connectedCallback(): void {
    super.connectedCallback()
    parts.add(this)
    this.#children.observe(this, { childList: true })
    this.link()
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    parts.delete(this)
    this.#children.disconnect()
    this.#join(undefined)
  }

  protected override updated(): void {
    this.link()
  }

  /** Finds the flow, again after every change that may have made it another. */
  link(): void {
    if (!this.isConnected) return
    const found = this.htmlFor ? document.getElementById(this.htmlFor) : this.closest('auth-flow')
    this.#join(found && isFlow(found) ? found : undefined)
    this.refresh()
  }

  /** Shows the flow as it is. Called after every change; an untouched flow has nothing to show. */
  refresh(): void {
    const flow = this.#flowElement
    if (!flow?.touched) return
    flow.mark(this)
    this.show(flow, flow.flow.getSnapshot())
  }

  protected abstract show(flow: AuthFlowElement, snapshot: FlowSnapshot): void

  #join(flow: AuthFlowElement | undefined): void {
    this.#flowElement?.parts.delete(this)
    this.#flowElement = flow
    flow?.parts.add(this)
  }
}

// The class is not imported: parts may be loaded before it, or without it.
const isFlow = (element: Element): element is AuthFlowElement => 'parts' in element

// The elements in Angular's templates: directives that make tags and inputs known to its compiler, in the place of
// CUSTOM_ELEMENTS_SCHEMA. Made from the custom-elements manifest, to be copied into an application; not to be edited.

import { Directive, ElementRef, inject, Input } from '@angular/core'
import type {
  AuthConnectionsElement,
  AuthFlowElement,
  AuthFormElement,
  AuthPanelElement,
  AuthStatusElement,
  AuthTriggerElement,
} from 'authflow/ui'

const hostElement = <Host extends Element>(): Host => inject<ElementRef<Host>>(ElementRef).nativeElement

function setAttribute(element: Element, name: string, value: string | null | undefined): void {
  if (value === null || value === undefined) element.removeAttribute(name)
  else element.setAttribute(name, value)
}

/** A list of an account's integrations: connect, reconnect, disconnect. */
@Directive({ selector: 'auth-connections', standalone: true })
export class AuthConnectionsDirective {
  private readonly element = hostElement<AuthConnectionsElement>()

  /** Ids of the integrations, separated by spaces */
  @Input() set integrations(value: string | null | undefined) {
    setAttribute(this.element, 'integrations', value)
  }

  /** The account; must match the connect token */
  @Input('account-id') set accountId(value: string | null | undefined) {
    setAttribute(this.element, 'account-id', value)
  }

  /** The connect server; must equal the configured one, if one is */
  @Input() set endpoint(value: string | null | undefined) {
    setAttribute(this.element, 'endpoint', value)
  }

  /** URL of the host's backend that mints connect tokens; gets `{ integrations, purpose }` */
  @Input('token-url') set tokenUrl(value: string | null | undefined) {
    setAttribute(this.element, 'token-url', value)
  }

  /** Classes of each integration's element */
  @Input('item-class') set itemClass(value: string | null | undefined) {
    setAttribute(this.element, 'item-class', value)
  }

  /** Classes of what has its name, where the template gives it none */
  @Input('name-class') set nameClass(value: string | null | undefined) {
    setAttribute(this.element, 'name-class', value)
  }

  /** A connect token or a function that gets one; goes before `tokenUrl`. */
  @Input() set connectToken(value: AuthConnectionsElement['connectToken'] | null | undefined) {
    this.element.connectToken = value ?? undefined
  }

  /** Texts instead of those of the language; a flow's serve its parts, too. */
  @Input() set messages(value: AuthConnectionsElement['messages'] | null | undefined) {
    this.element.messages = value ?? undefined
  }
}

/** Holds the flow that trigger, panel, form and status show. */
@Directive({ selector: 'auth-flow', standalone: true })
export class AuthFlowDirective {
  private readonly element = hostElement<AuthFlowElement>()

  /** Id of the integration at the server */
  @Input() set integration(value: string | null | undefined) {
    setAttribute(this.element, 'integration', value)
  }

  /** The account; must match the connect token */
  @Input('account-id') set accountId(value: string | null | undefined) {
    setAttribute(this.element, 'account-id', value)
  }

  /** The connect server; must equal the configured one, if one is */
  @Input() set endpoint(value: string | null | undefined) {
    setAttribute(this.element, 'endpoint', value)
  }

  /** URL of the host's backend that mints connect tokens */
  @Input('token-url') set tokenUrl(value: string | null | undefined) {
    setAttribute(this.element, 'token-url', value)
  }

  /** `popup` (default) or `redirect` */
  @Input() set mode(value: 'popup' | 'redirect' | null | undefined) {
    setAttribute(this.element, 'mode', value)
  }

  /** Where redirect mode comes back to */
  @Input('return-url') set returnUrl(value: string | null | undefined) {
    setAttribute(this.element, 'return-url', value)
  }

  /** Offer this method only; `oauth2` also says that it needs no fields */
  @Input() set method(value: string | null | undefined) {
    setAttribute(this.element, 'method', value)
  }

  /** Scopes to ask for, separated by spaces */
  @Input() set scopes(value: string | null | undefined) {
    setAttribute(this.element, 'scopes', value)
  }

  /** Language of the window and of the server's texts (default: the nearest `lang`) */
  @Input() set locale(value: string | null | undefined) {
    setAttribute(this.element, 'locale', value)
  }

  /** When to read the description (default `intent`); the first two read the connection, too */
  @Input() set load(value: 'eager' | 'visible' | 'intent' | 'none' | null | undefined) {
    setAttribute(this.element, 'load', value)
  }

  /** What the page knows of the connection */
  @Input() set status(value: 'active' | 'needs_reauth' | 'none' | null | undefined) {
    setAttribute(this.element, 'status', value)
  }

  /** Who the account is connected as, for people */
  @Input() set identity(value: string | null | undefined) {
    setAttribute(this.element, 'identity', value)
  }

  /** A connect token or a function that gets one; goes before `tokenUrl`. */
  @Input() set connectToken(value: AuthFlowElement['connectToken'] | null | undefined) {
    this.element.connectToken = value ?? undefined
  }

  /** The integration's description, where the page has it already. */
  @Input() set definition(value: AuthFlowElement['definition'] | null | undefined) {
    this.element.definition = value ?? undefined
  }

  /** Texts instead of those of the language; a flow's serve its parts, too. */
  @Input() set messages(value: AuthFlowElement['messages'] | null | undefined) {
    this.element.messages = value ?? undefined
  }
}

/** The form: method, fields, submit. */
@Directive({ selector: 'auth-form', standalone: true })
export class AuthFormDirective {
  private readonly element = hostElement<AuthFormElement>()

  /** Id of the flow, where it stands elsewhere */
  @Input() set for(value: string | null | undefined) {
    setAttribute(this.element, 'for', value)
  }

  /** Classes of the form that the element makes */
  @Input('form-class') set formClass(value: string | null | undefined) {
    setAttribute(this.element, 'form-class', value)
  }

  /** Classes of the choice of method */
  @Input('methods-class') set methodsClass(value: string | null | undefined) {
    setAttribute(this.element, 'methods-class', value)
  }

  /** Classes of its legend */
  @Input('legend-class') set legendClass(value: string | null | undefined) {
    setAttribute(this.element, 'legend-class', value)
  }

  /** Classes of each method, the label around its radio button */
  @Input('method-class') set methodClass(value: string | null | undefined) {
    setAttribute(this.element, 'method-class', value)
  }

  /** Classes of the radio buttons */
  @Input('radio-class') set radioClass(value: string | null | undefined) {
    setAttribute(this.element, 'radio-class', value)
  }

  /** Classes of fields */
  @Input('field-class') set fieldClass(value: string | null | undefined) {
    setAttribute(this.element, 'field-class', value)
  }

  /** Classes of labels */
  @Input('label-class') set labelClass(value: string | null | undefined) {
    setAttribute(this.element, 'label-class', value)
  }

  /** Classes of what stands before a control */
  @Input('prefix-class') set prefixClass(value: string | null | undefined) {
    setAttribute(this.element, 'prefix-class', value)
  }

  /** Classes of controls */
  @Input('input-class') set inputClass(value: string | null | undefined) {
    setAttribute(this.element, 'input-class', value)
  }

  /** Classes of what stands after a control */
  @Input('suffix-class') set suffixClass(value: string | null | undefined) {
    setAttribute(this.element, 'suffix-class', value)
  }

  /** Classes of the buttons that show a secret */
  @Input('reveal-class') set revealClass(value: string | null | undefined) {
    setAttribute(this.element, 'reveal-class', value)
  }

  /** Classes of descriptions */
  @Input('description-class') set descriptionClass(value: string | null | undefined) {
    setAttribute(this.element, 'description-class', value)
  }

  /** Classes of the links to where a value is found */
  @Input('help-class') set helpClass(value: string | null | undefined) {
    setAttribute(this.element, 'help-class', value)
  }

  /** Classes of error texts */
  @Input('error-class') set errorClass(value: string | null | undefined) {
    setAttribute(this.element, 'error-class', value)
  }

  /** Classes of what is asked for at the provider */
  @Input('scopes-class') set scopesClass(value: string | null | undefined) {
    setAttribute(this.element, 'scopes-class', value)
  }

  /** Classes of the list in it */
  @Input('list-class') set listClass(value: string | null | undefined) {
    setAttribute(this.element, 'list-class', value)
  }

  /** Classes of each of its items */
  @Input('scope-class') set scopeClass(value: string | null | undefined) {
    setAttribute(this.element, 'scope-class', value)
  }

  /** Classes of the submit button */
  @Input('submit-class') set submitClass(value: string | null | undefined) {
    setAttribute(this.element, 'submit-class', value)
  }

  /** Makes the markup of a field; undefined for the default. */
  @Input() set renderField(value: AuthFormElement['renderField'] | null | undefined) {
    this.element.renderField = value ?? undefined
  }

  /** Texts instead of those of the language; a flow's serve its parts, too. */
  @Input() set messages(value: AuthFormElement['messages'] | null | undefined) {
    this.element.messages = value ?? undefined
  }
}

/** Shows and hides its content, moves the focus in and back. */
@Directive({ selector: 'auth-panel', standalone: true })
export class AuthPanelDirective {
  private readonly element = hostElement<AuthPanelElement>()

  /** Id of the flow, where it stands elsewhere */
  @Input() set for(value: string | null | undefined) {
    setAttribute(this.element, 'for', value)
  }

  /** Texts instead of those of the language; a flow's serve its parts, too. */
  @Input() set messages(value: AuthPanelElement['messages'] | null | undefined) {
    this.element.messages = value ?? undefined
  }
}

/** Says how the flow stands. */
@Directive({ selector: 'auth-status', standalone: true })
export class AuthStatusDirective {
  private readonly element = hostElement<AuthStatusElement>()

  /** Id of the flow, where it stands elsewhere */
  @Input() set for(value: string | null | undefined) {
    setAttribute(this.element, 'for', value)
  }

  /** Classes of the live region */
  @Input('status-class') set statusClass(value: string | null | undefined) {
    setAttribute(this.element, 'status-class', value)
  }

  /** Classes of the button that gives up */
  @Input('cancel-class') set cancelClass(value: string | null | undefined) {
    setAttribute(this.element, 'cancel-class', value)
  }

  /** Classes of the button that tries again */
  @Input('retry-class') set retryClass(value: string | null | undefined) {
    setAttribute(this.element, 'retry-class', value)
  }

  /** Classes of the form around that which opens a window that was blocked */
  @Input('form-class') set formClass(value: string | null | undefined) {
    setAttribute(this.element, 'form-class', value)
  }

  /** Classes of the button that opens a window that was blocked */
  @Input('open-class') set openClass(value: string | null | undefined) {
    setAttribute(this.element, 'open-class', value)
  }

  /** Classes of the button that opens a lost window again */
  @Input('reopen-class') set reopenClass(value: string | null | undefined) {
    setAttribute(this.element, 'reopen-class', value)
  }

  /** Classes of the button that changes what was asked */
  @Input('configure-class') set configureClass(value: string | null | undefined) {
    setAttribute(this.element, 'configure-class', value)
  }

  /** Classes of the link to where a code is typed */
  @Input('device-class') set deviceClass(value: string | null | undefined) {
    setAttribute(this.element, 'device-class', value)
  }

  /** Texts instead of those of the language; a flow's serve its parts, too. */
  @Input() set messages(value: AuthStatusElement['messages'] | null | undefined) {
    this.element.messages = value ?? undefined
  }
}

/** Begins the flow. */
@Directive({ selector: 'auth-trigger', standalone: true })
export class AuthTriggerDirective {
  private readonly element = hostElement<AuthTriggerElement>()

  /** Id of the flow, where it stands elsewhere */
  @Input() set for(value: string | null | undefined) {
    setAttribute(this.element, 'for', value)
  }

  /** Asked for by this trigger instead of the flow's, separated by spaces: more, of a connection that is there. The connect token must allow them */
  @Input() set scopes(value: string | null | undefined) {
    setAttribute(this.element, 'scopes', value)
  }

  /** Texts instead of those of the language; a flow's serve its parts, too. */
  @Input() set messages(value: AuthTriggerElement['messages'] | null | undefined) {
    this.element.messages = value ?? undefined
  }
}

/** All of them, for `imports` of a component. */
export const authElements = [
  AuthConnectionsDirective,
  AuthFlowDirective,
  AuthFormDirective,
  AuthPanelDirective,
  AuthStatusDirective,
  AuthTriggerDirective,
] as const

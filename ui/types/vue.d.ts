// Types of the elements in Vue 3's templates. Made by `npm run elements`; not to be edited.

import type { DefineComponent, HTMLAttributes } from 'vue'
import type {
  AuthFlowEvents,
  AuthConnectionsElement,
  AuthFlowElement,
  AuthFormElement,
  AuthPanelElement,
  AuthStatusElement,
  AuthTriggerElement,
} from '../index.js'

declare namespace Authflow {
  /** A list of an account's integrations: connect, reconnect, disconnect. */
  interface AuthConnectionsProps {
    /** Ids of the integrations, separated by spaces */
    'integrations'?: string | undefined
    /** The account; must match the connect token */
    'account-id'?: string | undefined
    /** The connect server; must equal the configured one, if one is */
    'endpoint'?: string | undefined
    /** URL of the host's backend that mints connect tokens; gets `{ integrations, purpose }` */
    'token-url'?: string | undefined
    /** Classes of each integration's element */
    'item-class'?: string | undefined
    /** Classes of what has its name, where the template gives it none */
    'name-class'?: string | undefined
    /** A connect token or a function that gets one; goes before `tokenUrl`. */
    'connectToken'?: AuthConnectionsElement['connectToken'] | undefined
    /** Texts instead of those of the language; a flow's serve its parts, too. */
    'messages'?: AuthConnectionsElement['messages'] | undefined
    /** The list could not be read; the flows' events bubble through */
    'onAuthError'?: ((event: AuthFlowEvents['auth-error']) => void) | undefined
  }

  /** Holds the flow that trigger, panel, form and status show. */
  interface AuthFlowProps {
    /** Id of the integration at the server */
    'integration'?: string | undefined
    /** The account; must match the connect token */
    'account-id'?: string | undefined
    /** The connect server; must equal the configured one, if one is */
    'endpoint'?: string | undefined
    /** URL of the host's backend that mints connect tokens */
    'token-url'?: string | undefined
    /** `popup` (default) or `redirect` */
    'mode'?: 'popup' | 'redirect' | undefined
    /** Where redirect mode comes back to */
    'return-url'?: string | undefined
    /** Offer this method only; `oauth2` also says that it needs no fields */
    'method'?: string | undefined
    /** Scopes to ask for, separated by spaces */
    'scopes'?: string | undefined
    /** Language of the window and of the server's texts (default: the nearest `lang`) */
    'locale'?: string | undefined
    /** When to read the description (default `intent`); the first two read the connection, too */
    'load'?: 'eager' | 'visible' | 'intent' | 'none' | undefined
    /** What the page knows of the connection */
    'status'?: 'active' | 'needs_reauth' | 'none' | undefined
    /** Who the account is connected as, for people */
    'identity'?: string | undefined
    /** A connect token or a function that gets one; goes before `tokenUrl`. */
    'connectToken'?: AuthFlowElement['connectToken'] | undefined
    /** The integration's description, where the page has it already. */
    'definition'?: AuthFlowElement['definition'] | undefined
    /** Texts instead of those of the language; a flow's serve its parts, too. */
    'messages'?: AuthFlowElement['messages'] | undefined
    /** A click; nothing was begun yet. Cancelable */
    'onAuthStart'?: ((event: AuthFlowEvents['auth-start']) => void) | undefined
    /** The panel is about to open. Cancelable */
    'onAuthOpen'?: ((event: AuthFlowEvents['auth-open']) => void) | undefined
    /** The panel is about to close. Cancelable */
    'onAuthClose'?: ((event: AuthFlowEvents['auth-close']) => void) | undefined
    /** Values are about to be sent, and in it. Cancelable */
    'onAuthSubmit'?: ((event: AuthFlowEvents['auth-submit']) => void) | undefined
    /** From `detail.from` to `detail.to` */
    'onAuthStateChange'?: ((event: AuthFlowEvents['auth-state-change']) => void) | undefined
    /** The browser blocked the window. Cancelable */
    'onAuthPopupBlocked'?: ((event: AuthFlowEvents['auth-popup-blocked']) => void) | undefined
    /** The window seems to be gone; ends nothing */
    'onAuthPopupClosed'?: ((event: AuthFlowEvents['auth-popup-closed']) => void) | undefined
    /** The account is connected: `detail.connection` */
    'onAuthSuccess'?: ((event: AuthFlowEvents['auth-success']) => void) | undefined
    /** Something went wrong: `detail.code` */
    'onAuthError'?: ((event: AuthFlowEvents['auth-error']) => void) | undefined
    /** The user gave up */
    'onAuthCancel'?: ((event: AuthFlowEvents['auth-cancel']) => void) | undefined
    /** A redirect came back; the URL is about to be cleaned. Cancelable */
    'onAuthReturn'?: ((event: AuthFlowEvents['auth-return']) => void) | undefined
  }

  /** The form: method, fields, submit. */
  interface AuthFormProps {
    /** Id of the flow, where it stands elsewhere */
    'for'?: string | undefined
    /** Classes of the form that the element makes */
    'form-class'?: string | undefined
    /** Classes of the choice of method */
    'methods-class'?: string | undefined
    /** Classes of its legend */
    'legend-class'?: string | undefined
    /** Classes of each method, the label around its radio button */
    'method-class'?: string | undefined
    /** Classes of the radio buttons */
    'radio-class'?: string | undefined
    /** Classes of fields */
    'field-class'?: string | undefined
    /** Classes of labels */
    'label-class'?: string | undefined
    /** Classes of what stands before a control */
    'prefix-class'?: string | undefined
    /** Classes of controls */
    'input-class'?: string | undefined
    /** Classes of what stands after a control */
    'suffix-class'?: string | undefined
    /** Classes of the buttons that show a secret */
    'reveal-class'?: string | undefined
    /** Classes of descriptions */
    'description-class'?: string | undefined
    /** Classes of the links to where a value is found */
    'help-class'?: string | undefined
    /** Classes of error texts */
    'error-class'?: string | undefined
    /** Classes of what is asked for at the provider */
    'scopes-class'?: string | undefined
    /** Classes of the list in it */
    'list-class'?: string | undefined
    /** Classes of each of its items */
    'scope-class'?: string | undefined
    /** Classes of the submit button */
    'submit-class'?: string | undefined
    /** Makes the markup of a field; undefined for the default. */
    'renderField'?: AuthFormElement['renderField'] | undefined
    /** Texts instead of those of the language; a flow's serve its parts, too. */
    'messages'?: AuthFormElement['messages'] | undefined
  }

  /** Shows and hides its content, moves the focus in and back. */
  interface AuthPanelProps {
    /** Id of the flow, where it stands elsewhere */
    'for'?: string | undefined
    /** Texts instead of those of the language; a flow's serve its parts, too. */
    'messages'?: AuthPanelElement['messages'] | undefined
  }

  /** Says how the flow stands. */
  interface AuthStatusProps {
    /** Id of the flow, where it stands elsewhere */
    'for'?: string | undefined
    /** Classes of the live region */
    'status-class'?: string | undefined
    /** Classes of the button that gives up */
    'cancel-class'?: string | undefined
    /** Classes of the button that tries again */
    'retry-class'?: string | undefined
    /** Classes of the form around that which opens a window that was blocked */
    'form-class'?: string | undefined
    /** Classes of the button that opens a window that was blocked */
    'open-class'?: string | undefined
    /** Classes of the button that opens a lost window again */
    'reopen-class'?: string | undefined
    /** Classes of the button that changes what was asked */
    'configure-class'?: string | undefined
    /** Classes of the link to where a code is typed */
    'device-class'?: string | undefined
    /** Texts instead of those of the language; a flow's serve its parts, too. */
    'messages'?: AuthStatusElement['messages'] | undefined
  }

  /** Begins the flow. */
  interface AuthTriggerProps {
    /** Id of the flow, where it stands elsewhere */
    'for'?: string | undefined
    /** Asked for by this trigger instead of the flow's, separated by spaces: more, of a connection that is there. The connect token must allow them */
    'scopes'?: string | undefined
    /** Texts instead of those of the language; a flow's serve its parts, too. */
    'messages'?: AuthTriggerElement['messages'] | undefined
  }
}

declare module 'vue' {
  interface GlobalComponents {
    'auth-connections': DefineComponent<HTMLAttributes & Authflow.AuthConnectionsProps>
    'auth-flow': DefineComponent<HTMLAttributes & Authflow.AuthFlowProps>
    'auth-form': DefineComponent<HTMLAttributes & Authflow.AuthFormProps>
    'auth-panel': DefineComponent<HTMLAttributes & Authflow.AuthPanelProps>
    'auth-status': DefineComponent<HTMLAttributes & Authflow.AuthStatusProps>
    'auth-trigger': DefineComponent<HTMLAttributes & Authflow.AuthTriggerProps>
  }
}

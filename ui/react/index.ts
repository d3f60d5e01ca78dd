'use client'

// React's view of the elements: components with React's names for attributes and events, which hydrate without a
// message, and hooks over the stores. Thin: nothing is decided here.

import {
  createElement,
  useCallback,
  useEffect,
  useInsertionEffect,
  useMemo,
  useSyncExternalStore,
  type HTMLAttributes,
  type ReactElement,
  type Ref,
} from 'react'
import '../define.ts'
import type { IntegrationView } from '../../shared/flow.ts'
import type { AuthConnectionsElement } from '../elements/auth-connections.ts'
import type { AuthFlowElement } from '../elements/auth-flow.ts'
import type { AuthFormElement } from '../elements/auth-form.ts'
import type { AuthPanelElement } from '../elements/auth-panel.ts'
import type { AuthStatusElement } from '../elements/auth-status.ts'
import type { AuthTriggerElement } from '../elements/auth-trigger.ts'
import type { AuthFlowEvents } from '../events.ts'
import {
  createConnections,
  type ConnectionList,
  type ConnectionsOptions,
  type ConnectionsSnapshot,
} from '../flow/connections.ts'
import { createAuthFlow } from '../flow/create-auth-flow.ts'
import type { AuthFlowOptions, ConnectFlow, FlowSnapshot } from '../flow/flow.ts'
import { cleanReturnUrl, findPending } from '../flow/pending.ts'
import type { ConnectTokenSource } from '../flow/token.ts'
import type { Messages } from '../messages.ts'

type Pascal<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Capitalize<Head>}${Pascal<Tail>}`
  : Capitalize<Name>

/** The elements' events as React names them: `onAuthSuccess`. */
export type AuthFlowHandlers = {
  [Name in keyof AuthFlowEvents as `on${Pascal<Name>}`]?: ((event: AuthFlowEvents[Name]) => void) | undefined
}

/** Props of {@link AuthFlow}: those of `createAuthFlow`, the element's own, and its events. */
export interface AuthFlowProps
  extends Omit<HTMLAttributes<AuthFlowElement>, 'onSubmit'>, AuthFlowHandlers, AuthFlowOptions {
  /** When to read what the server knows (default `intent`). */
  readonly load?: 'eager' | 'visible' | 'intent' | 'none' | undefined
  /** The integration's description, where the page has it already. */
  readonly definition?: IntegrationView | undefined
  /** Texts instead of those of the language. */
  readonly messages?: Partial<Messages> | undefined
  /** Gets the element. */
  readonly ref?: Ref<AuthFlowElement> | undefined
}

/** Props of the parts. */
export interface AuthPartProps<Element extends HTMLElement> extends HTMLAttributes<Element> {
  /** Id of the flow, where it stands elsewhere. */
  readonly htmlFor?: string | undefined
  /** Gets the element. */
  readonly ref?: Ref<Element> | undefined
}

/** Props of {@link AuthTrigger}. */
export interface AuthTriggerProps extends AuthPartProps<AuthTriggerElement> {
  /** Asked for by this trigger instead of the flow's, separated by spaces. */
  readonly scopes?: string | undefined
}

/** Props of {@link AuthForm}. */
export interface AuthFormProps extends AuthPartProps<AuthFormElement> {
  /** Classes of the form. */
  readonly formClassName?: string | undefined
  /** Classes of the choice of method. */
  readonly methodsClassName?: string | undefined
  /** Classes of its legend. */
  readonly legendClassName?: string | undefined
  /** Classes of each method. */
  readonly methodClassName?: string | undefined
  /** Classes of the methods' radio buttons. */
  readonly radioClassName?: string | undefined
  /** Classes of each field. */
  readonly fieldClassName?: string | undefined
  /** Classes of labels. */
  readonly labelClassName?: string | undefined
  /** Classes of what stands before a control. */
  readonly prefixClassName?: string | undefined
  /** Classes of controls. */
  readonly inputClassName?: string | undefined
  /** Classes of what stands after a control. */
  readonly suffixClassName?: string | undefined
  /** Classes of the buttons that show a secret. */
  readonly revealClassName?: string | undefined
  /** Classes of descriptions. */
  readonly descriptionClassName?: string | undefined
  /** Classes of the links to where a value is found. */
  readonly helpClassName?: string | undefined
  /** Classes of error texts. */
  readonly errorClassName?: string | undefined
  /** Classes of what is asked for at the provider. */
  readonly scopesClassName?: string | undefined
  /** Classes of the list in it. */
  readonly listClassName?: string | undefined
  /** Classes of each of its items. */
  readonly scopeClassName?: string | undefined
  /** Classes of the submit button. */
  readonly submitClassName?: string | undefined
  /** Makes the markup of a field; undefined for the default. */
  readonly renderField?: AuthFormElement['renderField']
}

/** Props of {@link AuthStatus}. */
export interface AuthStatusProps extends AuthPartProps<AuthStatusElement> {
  /** Classes of the live region. */
  readonly statusClassName?: string | undefined
  /** Classes of the button that gives up. */
  readonly cancelClassName?: string | undefined
  /** Classes of the button that tries again. */
  readonly retryClassName?: string | undefined
  /** Classes of the form around that which opens a window that was blocked. */
  readonly formClassName?: string | undefined
  /** Classes of the button that opens a window that was blocked. */
  readonly openClassName?: string | undefined
  /** Classes of the button that opens a lost window again. */
  readonly reopenClassName?: string | undefined
  /** Classes of the button that changes what was asked. */
  readonly configureClassName?: string | undefined
  /** Classes of the link to where a code is typed. */
  readonly deviceClassName?: string | undefined
}

/** Props of {@link AuthConnections}. */
export interface AuthConnectionsProps
  extends Omit<HTMLAttributes<AuthConnectionsElement>, 'children'>, AuthFlowHandlers {
  /** Ids of the integrations, separated by spaces. */
  readonly integrations: string
  /** The account; must match the connect token. */
  readonly accountId?: string | undefined
  /** The connect server; must equal the configured one, if one is. */
  readonly endpoint?: string | undefined
  /** URL of the host's backend that mints connect tokens. */
  readonly tokenUrl?: string | undefined
  /** A connect token or a function that gets one; goes before `tokenUrl`. */
  readonly connectToken?: ConnectTokenSource | undefined
  /** Texts instead of those of the language. */
  readonly messages?: Partial<Messages> | undefined
  /** Classes of each integration's element. */
  readonly itemClassName?: string | undefined
  /** Classes of what has its name, where the template gives it none. */
  readonly nameClassName?: string | undefined
  /**
   * HTML of an integration, with an `<auth-flow>` without attributes (default: such a flow alone). It goes into the page
   * as it is: never build it from what users wrote. Constant for as long as the component is there.
   */
  readonly template?: string | undefined
  /** Gets the element. */
  readonly ref?: Ref<AuthConnectionsElement> | undefined
}

const kebab = (name: string): string =>
  name.replace(/[A-Z]/g, (letter, at) => (at ? '-' : '') + letter.toLowerCase())

/** React's name as the element's. What no attribute can carry stays a property. */
function nameOf(name: string): string {
  if (name === 'className') return 'class'
  if (name === 'htmlFor') return 'for'
  if (name.startsWith('onAuth')) return `on${kebab(name.slice(2))}`
  if (/^(accountId|tokenUrl|returnUrl|\w+ClassName)$/.test(name)) return kebab(name.replace(/Name$/, ''))
  return name
}

function render(tag: string, props: object, more = {}): ReactElement {
  const named = Object.entries(props).map(([name, value]) => [nameOf(name), value])
  return createElement(tag, { ...Object.fromEntries(named), ...more })
}

// What the elements add to their content is nothing that React rendered, or may take away.
const content = (html: string): object => ({
  dangerouslySetInnerHTML: { __html: html },
  suppressHydrationWarning: true,
})
const ownContent = content('')

/** `<auth-flow>`: holds one flow for the parts inside it. */
export const AuthFlow = (props: AuthFlowProps): ReactElement => render('auth-flow', props)

/** `<auth-trigger>`: begins the flow when it is clicked. */
export const AuthTrigger = (props: AuthTriggerProps): ReactElement => render('auth-trigger', props)

/** `<auth-panel>`: opens when there is something to ask. Hidden before that. */
export const AuthPanel = (props: AuthPartProps<AuthPanelElement>): ReactElement =>
  render('auth-panel', props, { hidden: true })

/** `<auth-form>`: method, fields, submit. With children, they are the author's own form. */
export const AuthForm = (props: AuthFormProps): ReactElement =>
  render('auth-form', props, props.children ? {} : ownContent)

/** `<auth-status>`: says how the flow stands. */
export const AuthStatus = (props: AuthStatusProps): ReactElement => render('auth-status', props, ownContent)

/** `<auth-connections>`: lists integrations, each made from the template, with the state of its connection. */
export const AuthConnections = ({ template, ...props }: AuthConnectionsProps): ReactElement =>
  // React would put children beside the template's content, not into it.
  render('auth-connections', props, template ? content(`<template>${template}</template>`) : ownContent)

/** A store's snapshot, rendered again whenever it changes. */
function useSnapshot<Snapshot>(store: {
  subscribe(listener: () => void): () => void
  getSnapshot(): Snapshot
}): Snapshot {
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener), [store])
  const read = (): Snapshot => store.getSnapshot()
  return useSyncExternalStore(subscribe, read, read)
}

/** One object for as long as the key is the same, whose values are always those of the last render. */
function useLive<Options extends object>(options: Options, key: string): Options {
  // The key stands for the options that make another object.
  const live = useMemo(() => ({ ...options }), [key])
  useInsertionEffect(() => void Object.assign(live, options))
  return live
}

/**
 * A flow without elements: its snapshot and its steps. Another integration, account or endpoint makes another flow. One
 * that this tab left at the provider is taken up again. Polling stops when the component is gone.
 */
export function useAuthFlow(options: AuthFlowOptions): readonly [FlowSnapshot, ConnectFlow] {
  const live = useLive(options, [options.integration, options.accountId, options.endpoint].join('\n'))
  const flow = useMemo(() => createAuthFlow(live), [live])
  useEffect(() => {
    flow.unpause()
    const pending = flow.getSnapshot().state === 'idle' && findPending(live, true)
    if (pending) {
      void flow.resume(pending)
      if (pending.returned) cleanReturnUrl()
    }
    return () => flow.pause()
  }, [flow, live])
  return [useSnapshot(flow), flow]
}

/** The account's connections to some integrations, read when the component appears, and the way to read them again. */
export function useConnections(options: ConnectionsOptions): readonly [ConnectionsSnapshot, ConnectionList] {
  const live = useLive(options, [...options.integrations, options.accountId, options.endpoint].join('\n'))
  const list = useMemo(() => createConnections(live), [live])
  useEffect(() => void list.refresh(), [list])
  return [useSnapshot(list), list]
}

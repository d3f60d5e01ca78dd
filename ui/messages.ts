// The English texts of the elements. `{name}` is the integration's name, `{identity}` who the account is there and
// `{place}` where, `{title}` a field's label.

import type { ErrorCode, FieldError } from '../shared/errors.ts'

/** How a flow stands, in words. */
export interface StatusMessages {
  /** Status by state; states that need no word have none. */
  readonly loading?: string
  readonly submitting?: string
  readonly authorize?: string
  /** While authorising, once the window seems to be gone. */
  readonly lost?: string
  readonly blocked?: string
  readonly verify?: string
  readonly done?: string
  readonly cancelled?: string
  readonly choose?: string
  readonly fields?: string
  readonly configure?: string
  readonly failed?: string
  /** Status before anything was begun, by the connection. */
  readonly active?: string
  readonly needs_reauth?: string
  readonly none?: string
  /** What `{place}` becomes in the other texts where the place is known. */
  readonly in?: string
  /** What to say of an error without a text of its own, instead of the server's. */
  readonly error?: string
  /** Texts by error code, instead of the server's. */
  readonly errors?: Readonly<Partial<Record<ErrorCode, string>>>
}

/** What forms and buttons say. Field labels, choices and help come from the server. */
export interface ControlMessages {
  /** Legend of the choice of method. */
  readonly methods: string
  /** Heading of what is asked for at the provider. */
  readonly scopes: string
  /** Button of a form whose method has no label of its own. */
  readonly submit: string
  /** Button that opens the provider's window. */
  readonly continue: string
  readonly reopen: string
  readonly cancel: string
  readonly retry: string
  readonly reveal: string
  readonly optional: string
  readonly help: string
  /** Texts of field errors by reason, instead of the server's. */
  readonly fieldErrors?: Readonly<Partial<Record<FieldError['reason'], string>>>
}

/** Every text that the elements show. */
export interface Messages extends StatusMessages, ControlMessages {}

const connected = 'Connected as {identity}{place}'
const moment = 'One moment…'

/** The words in English. */
export const statusEnglish: StatusMessages = {
  loading: moment,
  submitting: moment,
  authorize: 'Continue in the {name} window.',
  lost: 'Lost the {name} window?',
  blocked: 'Your browser blocked the {name} window.',
  verify: moment,
  done: connected,
  cancelled: 'Cancelled.',
  active: connected,
  in: ' in {place}',
  needs_reauth: 'Connect {name} again.',
}

/** The texts of controls in English. Apart, because a page without a form does not need them. */
export const controlEnglish: ControlMessages = {
  methods: 'How to connect',
  scopes: 'This will allow:',
  submit: 'Connect',
  continue: 'Continue to {name}',
  reopen: 'Open it again',
  cancel: 'Cancel',
  retry: 'Try again',
  reveal: 'Show {title}',
  optional: '(optional)',
  help: 'Where to find it',
}

/** The text with its `{placeholders}` filled in; unknown ones become empty. */
export const fill = (text: string, values: object): string =>
  text.replace(/\{(\w+)\}/g, (_, key: string) => String(Reflect.get(values, key) ?? ''))

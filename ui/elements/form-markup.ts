// The default markup of a form and of one field. Structure only: texts, ids and hints of fields are filled in by
// field-control.ts, for this markup as for the author's own.

import type { FormField } from '../../shared/fields.ts'
import type { ConnectMethod } from '../../shared/flow.ts'
import type { ControlMessages } from '../messages.ts'
import { part } from './dom.ts'

/** What `renderField` of <auth-form> gets. */
export interface FieldContext {
  /** The field as the server describes it. */
  readonly field: FormField
  /** For the control; a label gets its `for` where it has `data-part="label"`. */
  readonly id: string
  /** The server's value, never of a secret field. */
  readonly value: string
}

/** The choice of method, as radio buttons with the name `method`. */
export const methodsMarkup = (methods: readonly ConnectMethod[], messages: ControlMessages): HTMLElement =>
  part(
    'fieldset',
    'methods',
    {},
    part('legend', 'legend', {}, messages.methods),
    ...methods.map(({ id, label }) =>
      part(
        'label',
        'method',
        {},
        part('input', 'radio', { type: 'radio', name: 'method', value: id, required: true }),
        label,
      ),
    ),
  )

/** What a method asks for at the provider, in words; the page may name scopes of its own where it sends them. */
export const scopesInWords = (
  { id, scopes, scopeLabels }: ConnectMethod,
  own: string | undefined,
): readonly string[] =>
  own && id === 'oauth2'
    ? own.split(' ').map((scope) => scopeLabels?.[scope] ?? scope)
    : scopes.map(({ label }) => label)

/** The list of them. */
export const scopesMarkup = (scopes: readonly string[], messages: ControlMessages): HTMLElement =>
  part(
    'div',
    'scopes',
    {},
    messages.scopes,
    part('ul', 'list', {}, ...scopes.map((words) => part('li', 'scope', {}, words))),
  )

/** A field's element with its markup: the author's template, what `render` gives, or the default. */
export function fieldMarkup(
  host: Element,
  context: FieldContext,
  render: ((context: FieldContext) => Node | undefined) | undefined,
): HTMLElement {
  const { name, secret, required, schema } = context.field
  const kind = secret ? 'secret' : schema.enum ? 'choice' : schema.type === 'boolean' ? 'boolean' : 'text'
  const find = (key: string): HTMLTemplateElement | null =>
    host.querySelector(`:scope > template[data-${key}]`)
  const template = find(`field="${name}"`) ?? find(`field-type=${kind}`) ?? find('field="*"')
  const content = template?.content.cloneNode(true) ?? render?.(context)
  const place = part(
    'div',
    'field',
    { 'data-field': name, 'data-required': required },
    ...(content ? [content] : defaultField(context.field, kind)),
  )
  place.querySelector('[data-part=input]:not([name])')?.setAttribute('name', name)
  return place
}

function defaultField(field: FormField, kind: string): HTMLElement[] {
  const { name, required, placeholder = '', schema } = field
  const control = schema.enum
    ? part('select', 'input', { name })
    : part('input', 'input', { name, type: kind === 'boolean' ? 'checkbox' : 'text' })
  if (schema.enum && !(required && schema.default)) control.append(new Option(placeholder, ''))
  const label = part('label', 'label')
  return [
    ...(kind === 'boolean'
      ? [control, label]
      : [label, part('span', 'prefix'), control, part('span', 'suffix')]),
    part('button', 'reveal', { type: 'button', 'aria-pressed': 'false' }),
    part('p', 'description'),
    part('a', 'help', { target: '_blank', rel: 'noreferrer' }),
    // Said at once, because the control that is wrong may have the focus already.
    part('p', 'error', { hidden: true, role: 'alert' }),
  ]
}

// The default markup of a form and of one field. Structure only: texts, ids and hints of fields are filled in by
// field-control.ts, for this markup as for the author's own.

import { html, nothing, render, type TemplateResult } from 'lit/html.js'
import type { FormField } from '../../shared/fields.ts'
import type { ConnectMethod } from '../../shared/flow.ts'
import type { FlowSnapshot } from '../flow/flow.ts'
import { fill, type Messages } from '../messages.ts'
import type { AuthFormElement } from './auth-form.ts'

/** What `renderField` of <auth-form> gets. */
export interface FieldContext {
  readonly field: FormField
  /** For the control; a label gets its `for` where it has `data-part="label"`. */
  readonly id: string
  /** The server's value, never of a secret field. */
  readonly value: string
}

const classOf = (host: Element, part: string): string => host.getAttribute(`${part}-class`) ?? ''

/** The form around its fields. */
export function formMarkup(
  host: Element,
  { methods, method, busy, name }: FlowSnapshot,
  { fields, messages }: { readonly fields: readonly Element[]; readonly messages: Messages },
): TemplateResult {
  const chosen = methods.find(({ id }) => id === method)
  const away = method === 'oauth2' && fields.length > 0
  const label = away ? fill(messages.continue, { name }) : (chosen?.label ?? messages.submit)
  return html`<form data-part="form" class=${classOf(host, 'form')} method="dialog" novalidate>
    ${methods.length > 1 ? choice(methods, method, messages) : nothing} ${fields}
    ${
      chosen?.scopes.length
        ? html`<div data-part="scopes">
            ${messages.scopes}
            <ul>
              ${chosen.scopes.map((scope) => html`<li>${scope.label}</li>`)}
            </ul>
          </div>`
        : nothing
    }
    <button type="submit" data-part="submit" class=${classOf(host, 'submit')} aria-disabled=${String(busy)}>
      ${label}
    </button>
  </form>`
}

const choice = (
  methods: readonly ConnectMethod[],
  chosen: string | undefined,
  messages: Messages,
): TemplateResult =>
  html`<fieldset data-part="methods">
    <legend>${messages.methods}</legend>
    ${methods.map(
      ({ id, label }) =>
        html`<label data-part="method">
          <input type="radio" name="method" required .checked=${id === chosen} value=${id} />
          ${label}
        </label>`,
    )}
  </fieldset>`

type FieldKind = 'secret' | 'choice' | 'boolean' | 'text'

const kindOf = ({ secret, schema }: FormField): FieldKind =>
  secret ? 'secret' : schema.enum ? 'choice' : schema.type === 'boolean' ? 'boolean' : 'text'

/** An element with the field's markup: from the author's template, from `renderField`, or the default. */
export function fieldMarkup(host: AuthFormElement, context: FieldContext): HTMLElement {
  const { field } = context
  const kind = kindOf(field)
  const place = document.createElement('div')
  place.dataset['part'] = 'field'
  place.dataset['field'] = field.name
  place.className = classOf(host, 'field')
  place.toggleAttribute('data-required', field.required)
  const template = [`field="${CSS.escape(field.name)}"`, `field-type="${kind}"`, 'field="*"']
    .map((key) => host.querySelector<HTMLTemplateElement>(`:scope > template[data-${key}]`))
    .find(Boolean)
  render(
    template?.content.cloneNode(true) ?? host.renderField?.(context) ?? defaultField(host, field, kind),
    place,
  )
  place.querySelector('[data-part=input]:not([name])')?.setAttribute('name', field.name)
  return place
}

function defaultField(host: Element, field: FormField, kind: FieldKind): TemplateResult {
  const { schema, name, required, optionLabels, placeholder = '' } = field
  const type = { boolean: 'checkbox', secret: 'password', text: 'text', choice: '' }[kind]
  const input = classOf(host, 'input')
  const label = html`<label data-part="label" class=${classOf(host, 'label')}></label>`
  const options = schema.enum?.map(
    (value, index) => html`<option value=${value}>${optionLabels?.[index] ?? value}</option>`,
  )
  const control =
    kind === 'choice'
      ? html`<select data-part="input" class=${input} name=${name}>
          ${required && schema.default ? nothing : html`<option value="">${placeholder}</option>`} ${options}
        </select>`
      : html`<input data-part="input" class=${input} name=${name} type=${type} />`
  return html`${kind === 'boolean' ? [control, label] : [label, html`<span data-part="prefix"></span>`, control]}
    <span data-part="suffix"></span>
    ${kind === 'secret' ? html`<button type="button" data-part="reveal" aria-pressed="false"></button>` : nothing}
    <p data-part="description" class=${classOf(host, 'description')}></p>
    <a data-part="help" target="_blank" rel="noopener noreferrer"></a>
    <p data-part="error" class=${classOf(host, 'error')} hidden></p>`
}

// <auth-form>: the choice of method and its fields. Binds the author's own form, or makes one in a child of its own;
// judges values when the user leaves a field and when the form is sent, and puts errors at their fields.

import type { FieldError } from '../../shared/errors.ts'
import { checkFields, type FieldsOutcome, type FormField } from '../../shared/fields.ts'
import { localError } from '../flow/connect-error.ts'
import type { FlowSnapshot } from '../flow/flow.ts'
import { controlEnglish, fill, type Messages } from '../messages.ts'
import { AuthPart } from './auth-element.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import { frame, mount, part, set } from './dom.ts'
import { prepareField, readValue, showError, type FieldPlace } from './field-control.ts'
import { fieldMarkup, methodsMarkup, scopesInWords, scopesMarkup, type FieldContext } from './form-markup.ts'

let count = 0

/**
 * Asks for what the chosen method needs. Markup, the first that is there: an own `<form>` with named controls; a
 * `<template data-field="name | *">` or `<template data-field-type="text | secret | choice | boolean">` for each field;
 * the property `renderField`; the default. Parts without a class, in a template too, get that of their attribute.
 *
 * @summary The form: method, fields, submit.
 * @tag auth-form
 * @attr {string} for - Id of the flow, where it stands elsewhere
 * @attr {string} form-class - Classes of the form that the element makes
 * @attr {string} methods-class - Classes of the choice of method
 * @attr {string} legend-class - Classes of its legend
 * @attr {string} method-class - Classes of each method, the label around its radio button
 * @attr {string} radio-class - Classes of the radio buttons
 * @attr {string} field-class - Classes of fields
 * @attr {string} label-class - Classes of labels
 * @attr {string} prefix-class - Classes of what stands before a control
 * @attr {string} input-class - Classes of controls
 * @attr {string} suffix-class - Classes of what stands after a control
 * @attr {string} reveal-class - Classes of the buttons that show a secret
 * @attr {string} description-class - Classes of descriptions
 * @attr {string} help-class - Classes of the links to where a value is found
 * @attr {string} error-class - Classes of error texts
 * @attr {string} scopes-class - Classes of what is asked for at the provider
 * @attr {string} list-class - Classes of the list in it
 * @attr {string} scope-class - Classes of each of its items
 * @attr {string} submit-class - Classes of the submit button
 * @attr {FlowState} data-state - State of the flow, once something happened
 * @attr {'none' | 'active' | 'needs_reauth'} data-connection - State of the connection, likewise
 * @attr {boolean} data-busy - While the page waits for somebody else
 * @attr {boolean} data-open - While the panel is open
 */
export class AuthFormElement extends AuthPart {
  static override properties = { renderField: { attribute: false } }

  /** Makes the markup of a field; undefined for the default. */
  declare renderField: ((context: FieldContext) => Node | undefined) | undefined

  readonly #id = `auth-form-${++count}`
  readonly #root = frame('data-auth-root')
  readonly #fields = frame('data-part-fields')
  #made: HTMLFormElement | undefined
  #button: HTMLButtonElement | undefined
  /** By method and field, so that what was typed survives a look at another method. */
  readonly #nodes = new Map<string, HTMLElement>()
  readonly #bound = new WeakMap<Element, unknown>()
  #shown: unknown
  #told: readonly FieldError[] = []

  constructor() {
    super()
    this.addEventListener('submit', (event) => {
      // A key must not leave by the browser's own hand, and a host's form around must not see it.
      event.preventDefault()
      event.stopPropagation()
      this.#submit()
    })
    for (const type of ['input', 'change', 'reset', 'focusout', 'click']) {
      this.addEventListener(type, (event) => this.#handle(event))
    }
  }

  override get texts(): Messages {
    return { ...controlEnglish, ...super.texts }
  }

  protected show(flow: AuthFlowElement, snapshot: FlowSnapshot): void {
    const { methods, errors, state } = snapshot
    const own = this.#own
    if (!methods[0]) return
    if (!own && this.closest('form')) return this.#refuse(flow)
    if (own) this.#bind(own, snapshot)
    else this.#render(snapshot)
    if (errors !== this.#told) this.#showErrors((this.#told = errors))
    if (state === 'done') this.#form.reset()
    // What is asked after authorisation has the choices of one account, and begins with what it answered last.
    if (['authorize', 'cancelled', 'done'].includes(state)) this.#nodes.clear()
  }

  get #own(): HTMLFormElement | null {
    return this.querySelector<HTMLFormElement>(':scope > form')
  }

  get #form(): HTMLFormElement {
    return this.#own ?? (this.#made ??= part('form', 'form', { novalidate: true, method: 'dialog' }))
  }

  #refuse(flow: AuthFlowElement): void {
    if (this.#shown === flow) return
    this.#shown = flow
    const error = localError('nested_form', 'Use `for`.')
    // oxlint-disable-next-line no-console -- a mistake in the markup, which only its author can mend
    console.error(error.message, this)
    flow.emit('auth-error', error)
  }

  #render({ methods, method, fields, values, busy, name, state }: FlowSnapshot): void {
    const { texts } = this
    const chosen = methods.find(({ id }) => id === method)
    const configures = state === 'configure'
    const shown = configures || methods
    const submit = (this.#button ??= part('button', 'submit', { type: 'submit' }))
    set(submit, 'aria-disabled', String(busy))
    // What was asked stays as it is until there is an answer.
    if (busy && this.#shown) return
    if (this.#shown !== shown) {
      this.#shown = shown
      this.#form.replaceChildren(
        ...(methods[1] && !configures ? [methodsMarkup(methods, texts)] : []),
        this.#fields,
        submit,
      )
      this.#root.replaceChildren(this.#form)
      this.#fields.replaceChildren()
    }
    for (const radio of this.#form.querySelectorAll<HTMLInputElement>('[name=method]'))
      radio.checked = radio.value === method
    const nodes = fields.map((field) => this.#field(field, `${method}-${field.name}`, values[field.name]))
    const scopes = chosen && !configures ? scopesInWords(chosen, this.flowElement?.scopes) : []
    if (scopes[0]) nodes.push(this.#node(`${method} ${scopes}`, () => scopesMarkup(scopes, texts)))
    const leaves = method === 'oauth2' && !configures
    // What is there already keeps its place, and with it the focus.
    if (
      nodes.length !== this.#fields.children.length ||
      nodes.some((node) => node.parentNode !== this.#fields)
    ) {
      this.#fields.replaceChildren(...nodes)
    }
    submit.textContent =
      (leaves && (fields[0] ? fill(texts.continue, { name }) : chosen?.label)) || texts.submit
    mount(this, this.#root)
  }

  #node(key: string, create: () => HTMLElement): HTMLElement {
    const node = this.#nodes.get(key) ?? create()
    this.#nodes.set(key, node)
    return node
  }

  #field(field: FormField, key: string, value = field.schema.default ?? ''): HTMLElement {
    // With other choices it is another one.
    return this.#node(`${key} ${field.schema.enum}`, () => {
      const place = this.#place(field)
      const scope = fieldMarkup(this, { field, id: place.id, value }, this.renderField)
      prepareField({ ...place, scope }, value)
      return scope
    })
  }

  #bind(form: HTMLFormElement, { fields, values, method, state }: FlowSnapshot): void {
    const shown = state === 'configure' ? fields : method
    form.noValidate = true
    form.querySelector(':scope > fieldset')?.removeAttribute('disabled')
    if (this.#bound.has(form) && this.#bound.get(form) === shown) return
    this.#bound.set(form, shown)
    for (const field of fields) prepareField(this.#place(field), values[field.name] ?? '')
  }

  #place(field: FormField): FieldPlace {
    const form = this.#form
    const scope = form.querySelector(`[data-field="${field.name}"]`) ?? form
    return { field, scope, id: `${this.#id}-${field.name}`, messages: this.texts }
  }

  #check(fields: readonly FormField[]): FieldsOutcome {
    return checkFields(
      fields,
      Object.fromEntries(fields.map((field) => [field.name, readValue(this.#form, field)])),
    )
  }

  #showErrors(errors: readonly FieldError[]): void {
    for (const field of this.flowElement?.flow.getSnapshot().fields ?? []) {
      showError(
        this.#place(field),
        errors.find((error) => error.field === field.name),
      )
    }
    const control = this.querySelector<HTMLInputElement>('[aria-invalid]')
    control?.focus()
    control?.select?.()
  }

  /** Judges the values and gives them to the flow. In the submit event, which is the user's gesture. */
  #submit(): void {
    const flow = this.flowElement
    if (!flow) return
    const { fields, method, state } = flow.flow.getSnapshot()
    if (state === 'submitting' || state === 'verify') return
    if (!method) return void this.#form.querySelector<HTMLInputElement>('[name=method]')?.reportValidity()
    const { values, errors } = this.#check(fields)
    this.#showErrors(errors)
    if (!errors[0] && flow.emit('auth-submit', { method, values })) flow.flow.submit(values, method)
  }

  #handle(event: Event): void {
    const { target, type } = event
    const flow = this.flowElement
    if (!flow || !(target instanceof Element)) return
    if (type === 'click') return reveal(target.closest('[data-part=reveal]'))
    // The author's own form may have listeners of its framework above.
    if (!this.#own && type !== 'focusout') event.stopPropagation()
    const { fields, methods } = flow.flow.getSnapshot()
    const name = target.getAttribute('name')
    const next = name === 'method' && 'value' in target && methods.find(({ id }) => id === target.value)
    if (next && type === 'change') return flow.flow.choose(next.id)
    const field = fields.find((one) => one.name === name)
    if (!field) return
    // Judged when it is left with a value, and while typing where it is marked; leaving says nothing new about what is
    // marked, which may be the server's own word.
    const marked = target.hasAttribute('aria-invalid')
    if (type === 'focusout' ? !marked && readValue(this.#form, field) : marked) {
      showError(this.#place(field), this.#check([field]).errors[0])
    }
  }
}

function reveal(button: Element | null): void {
  const input = button?.closest('[data-field]')?.querySelector('input')
  if (!button || !input) return
  const shown = input.type === 'password'
  input.type = shown ? 'text' : 'password'
  set(button, 'aria-pressed', String(shown))
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-form': AuthFormElement
  }
}

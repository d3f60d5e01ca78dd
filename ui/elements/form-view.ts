// What <auth-form> does once there is something to ask: keeps the markup in step with the flow, judges values when the
// user leaves a field and when the form is sent, and puts errors at their fields.

import { render } from 'lit/html.js'
import type { FieldError } from '../../shared/errors.ts'
import { checkFields, type FormField } from '../../shared/fields.ts'
import { localError } from '../flow/connect-error.ts'
import type { FlowSnapshot } from '../flow/flow.ts'
import { english, type Messages } from '../messages.ts'
import type { AuthFlowElement } from './auth-flow.ts'
import type { AuthFormElement } from './auth-form.ts'
import { prepareField, readValue, showError, type FieldPlace } from './field-control.ts'
import { fieldMarkup, formMarkup } from './form-markup.ts'
import type { View } from './lazy-view.ts'
import { ownRoot } from './own-root.ts'

let count = 0

/** The view of one <auth-form>. */
export class FormView implements View {
  readonly #host: AuthFormElement
  readonly #id = `auth-form-${++count}`
  /** By method and field, so that what was typed survives a look at another method. */
  readonly #nodes = new Map<string, HTMLElement>()
  readonly #bound = new WeakMap<HTMLFormElement, FlowSnapshot['method']>()
  #errors: readonly FieldError[] = []
  #told: readonly FieldError[] = []
  #root: HTMLElement | undefined
  #nested = false

  constructor(host: AuthFormElement) {
    this.#host = host
  }

  show(flow: AuthFlowElement, snapshot: FlowSnapshot): void {
    const own = this.#own
    if (!snapshot.methods.length) return
    const messages = this.#messages(flow)
    if (own) this.#bind(own, snapshot, messages)
    else if (this.#host.closest('form')) return this.#refuse(flow)
    else {
      this.#root = ownRoot(this.#host, this.#root)
      const fields = snapshot.fields.map((field) => this.#field(field, snapshot, messages))
      render(formMarkup(this.#host, snapshot, { fields, messages }), this.#root)
    }
    if (snapshot.errors !== this.#told) {
      this.#told = this.#errors = snapshot.errors
      this.#showErrors(flow)
    }
    if (snapshot.state === 'done') this.#form?.reset()
  }

  /** Judges the values and gives them to the flow. In the submit event, which is the user's gesture. */
  submit(): void {
    const flow = this.#host.flowElement
    const form = this.#form
    if (!flow || !form) return
    const { fields, method, state } = flow.flow.getSnapshot()
    if (state === 'submitting' || state === 'verify') return
    if (!method) {
      form.querySelector<HTMLInputElement>('[name=method]')?.reportValidity()
      return
    }
    const { values, errors } = this.#check(form, fields)
    this.#errors = errors
    this.#showErrors(flow)
    if (!errors.length && flow.emit('auth-submit', { method, values })) flow.flow.submit(values, method)
  }

  /** Everything but `submit` that happens in the form. */
  handle(event: Event): void {
    const { target, type } = event
    const flow = this.#host.flowElement
    if (!flow || !(target instanceof Element)) return
    if (type === 'click') return this.#reveal(target)
    // The author's own form may have listeners of its framework above.
    if (!this.#own && type !== 'focusout') event.stopPropagation()
    if (target.getAttribute('name') !== 'method') return this.#judge(flow, target, type)
    const { methods, method } = flow.flow.getSnapshot()
    const next = methods.find(({ id }) => 'value' in target && id === target.value)
    if (type === 'change' && next && next.id !== method) flow.flow.choose(next.id)
  }

  get #own(): HTMLFormElement | null {
    return this.#host.querySelector<HTMLFormElement>(':scope > form')
  }

  get #form(): HTMLFormElement | null {
    return this.#own ?? this.#root?.querySelector('form') ?? null
  }

  #messages(flow: AuthFlowElement): Messages {
    return { ...english, ...flow.messages }
  }

  #refuse(flow: AuthFlowElement): void {
    if (this.#nested) return
    this.#nested = true
    const error = localError('nested_form')
    console.error(error.message, this.#host)
    flow.emit('auth-error', error)
  }

  #bind(form: HTMLFormElement, { fields, values, method }: FlowSnapshot, messages: Messages): void {
    form.noValidate = true
    const fieldset = form.querySelector<HTMLFieldSetElement>(':scope > fieldset')
    if (fieldset) fieldset.disabled = false
    if (this.#bound.get(form) === method) return
    this.#bound.set(form, method)
    for (const field of fields)
      prepareField(this.#place(field), field, { value: values[field.name] ?? '', messages })
  }

  #field(field: FormField, { method, values }: FlowSnapshot, messages: Messages): HTMLElement {
    const key = `${method}-${field.name}`
    const known = this.#nodes.get(key)
    if (known) return known
    const id = `${this.#id}-${key}`
    const value = values[field.name] ?? field.schema.default ?? ''
    const scope = fieldMarkup(this.#host, { field, id, value })
    prepareField({ scope, id }, field, { value, messages })
    this.#nodes.set(key, scope)
    return scope
  }

  #place({ name }: FormField): FieldPlace {
    const form = this.#form ?? this.#host
    const method = this.#host.flowElement?.flow.getSnapshot().method
    return {
      scope: form.querySelector(`[data-field="${CSS.escape(name)}"]`) ?? form,
      id: `${this.#id}-${method}-${name}`,
    }
  }

  #check(form: HTMLFormElement, fields: readonly FormField[]): ReturnType<typeof checkFields> {
    return checkFields(
      fields,
      Object.fromEntries(fields.map((field) => [field.name, readValue(form, field)])),
    )
  }

  #showErrors(flow: AuthFlowElement): void {
    for (const field of flow.flow.getSnapshot().fields) {
      const error = this.#errors.find((one) => one.field === field.name)
      showError(this.#place(field), field, { error, messages: this.#messages(flow) })
    }
    const control = this.#host.querySelector<HTMLInputElement>('[aria-invalid=true]')
    control?.focus()
    control?.select?.()
  }

  /** A field is judged when it is left with a value, and while typing where something is marked. */
  #judge(flow: AuthFlowElement, target: Element, type: string): void {
    const form = this.#form
    const field = flow.flow.getSnapshot().fields.find(({ name }) => name === target.getAttribute('name'))
    if (!form || !field) return
    // Leaving says nothing new about what is marked, which may be the server's own word.
    const marked = target.hasAttribute('aria-invalid')
    if (type === 'focusout' ? marked || !readValue(form, field) : !marked) return
    const [error] = this.#check(form, [field]).errors
    showError(this.#place(field), field, { error, messages: this.#messages(flow) })
  }

  #reveal(target: Element): void {
    const button = target.closest('[data-part=reveal]')
    const input = button?.closest('[data-field]')?.querySelector('input')
    if (!button || !input) return
    const reveal = input.type === 'password'
    input.type = reveal ? 'text' : 'password'
    button.setAttribute('aria-pressed', String(reveal))
  }
}

// <auth-form>: the choice of method and its fields. The view, which binds the author's own form or makes one in a child
// of its own, is loaded when the flow has something to ask.

import type { TemplateResult } from 'lit/html.js'
import type { FieldContext } from './form-markup.ts'
import type { FormView } from './form-view.ts'
import { LazyPart } from './lazy-view.ts'

/**
 * Asks for what the chosen method needs. Markup, the first that is there: an own `<form>` with named controls; a
 * `<template data-field="name | *">` or `<template data-field-type="text | secret | choice | boolean">` for each field;
 * the property `renderField`; the default.
 *
 * @summary The form: method, fields, submit.
 * @tag auth-form
 * @attr for - Id of the flow, where it stands elsewhere
 * @attr form-class, field-class, label-class, input-class, description-class, error-class, submit-class - Classes of the
 *   default markup's parts
 * @cssPart form, methods, method, field, label, prefix, input, suffix, reveal, description, help, error, scopes, submit -
 *   `data-part` attributes, not shadow parts
 * @cssState data-state, data-connection, data-busy, data-open - attributes, written once something happened
 */
export class AuthFormElement extends LazyPart<FormView> {
  static override properties = { ...LazyPart.properties, renderField: { attribute: false } }

  /** Makes the markup of a field: a node, a template of Lit, or nothing for the default. */
  declare renderField: ((context: FieldContext) => Node | TemplateResult | undefined) | undefined

  constructor() {
    super()
    this.addEventListener('submit', (event) => {
      // A key must not leave by the browser's own hand, and a host's form around must not see it.
      event.preventDefault()
      event.stopPropagation()
      this.view?.submit()
    })
    for (const type of ['input', 'change', 'reset', 'focusout', 'click']) {
      this.addEventListener(type, (event) => this.view?.handle(event))
    }
  }

  protected async loadView(): Promise<FormView> {
    const { FormView } = await import('./form-view.ts')
    return new FormView(this)
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'auth-form': AuthFormElement
  }
}

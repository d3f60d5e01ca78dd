// One field in a form, whoever wrote its markup: fills in what the author left out, reads the value, shows what is
// wrong. What stands in the markup stays.

import type { FieldError } from '../../shared/errors.ts'
import type { FormField } from '../../shared/fields.ts'
import { fill, type ControlMessages } from '../messages.ts'
import { set } from './dom.ts'

/** A field in the page. */
export interface FieldPlace {
  readonly field: FormField
  /** The field's own element, or the whole form of the author's. */
  readonly scope: Element
  /** For the control. */
  readonly id: string
  readonly messages: ControlMessages
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

const controlsIn = (scope: ParentNode, { name }: FormField): Control[] => [
  ...scope.querySelectorAll<Control>(`:is(input,select,textarea)[name="${name}"]`),
]

const find = (scope: Element, part: string): HTMLElement | null => scope.querySelector(`[data-part=${part}]`)

const isChecked = (control: Control | undefined): boolean =>
  !!control && 'checked' in control && control.checked

/** What the user typed or chose. */
export function readValue(scope: ParentNode, field: FormField): string {
  const [first, ...more] = controlsIn(scope, field)
  if (field.schema.type === 'boolean') return String(isChecked(first))
  return (first?.type === 'radio' ? [first, ...more].find(isChecked) : first)?.value ?? ''
}

/** Gives the parts their texts and the controls their names, values and hints, once. */
export function prepareField(place: FieldPlace, value: string): void {
  const { field, scope, id } = place
  const own = scope.hasAttribute('data-field')
  // A form without an element for each field is the author's to word.
  if (own) fillTexts(place)
  const controls = controlsIn(scope, field)
  for (const control of controls) prepareControl(control, field, value)
  const [control, second] = controls
  if (!control || second) return
  control.id ||= id
  const description = own && find(scope, 'description')
  if (own) find(scope, 'label')?.setAttribute('for', control.id)
  if (description) describe(control, (description.id ||= `${id}-about`), true)
}

function fillTexts({ field, scope, messages }: FieldPlace): void {
  const { schema, required, secret, prefix, suffix, helpUrl } = field
  const texts = {
    label: schema.title + (required ? '' : ` ${messages.optional}`),
    description: schema.description,
    prefix,
    suffix,
    help: helpUrl && messages.help,
    reveal: secret && fill(messages.reveal, schema),
  }
  find(scope, 'help')?.setAttribute('href', helpUrl ?? '')
  for (const [part, text] of Object.entries(texts)) {
    const element = find(scope, part)
    if (text && element) element.textContent ||= text
    else element?.remove()
  }
}

function prepareControl(control: Control, field: FormField, value: string): void {
  const { required, schema, optionLabels } = field
  control.required = required
  if ('options' in control && !control.options[1])
    schema.enum?.forEach((one, index) => control.append(new Option(optionLabels?.[index] ?? one, one)))
  if ('checked' in control && /^(radio|checkbox)$/.test(control.type)) {
    control.checked ||= value === (control.type === 'radio' ? control.value : 'true')
    return
  }
  if (field.secret && control.type === 'text') set(control, 'type', 'password')
  for (const [name, hint] of Object.entries(hintsFor(field))) {
    if (hint && !control.hasAttribute(name)) set(control, name, hint)
  }
  control.value ||= value
}

function hintsFor({
  schema,
  secret,
  inputMode,
  autocomplete,
  placeholder,
}: FormField): Record<string, string | boolean | undefined> {
  if (schema.enum) return {}
  return {
    maxlength: String(schema.maxLength),
    placeholder,
    inputmode: inputMode,
    autocomplete,
    ...((secret || inputMode === 'url') && { spellcheck: 'false', autocapitalize: 'none', dir: 'ltr' }),
    // An API key is nothing for password managers to offer or to keep.
    ...(secret &&
      !autocomplete && {
        autocomplete: 'off',
        'data-1p-ignore': true,
        'data-lpignore': 'true',
        'data-bwignore': true,
      }),
  }
}

/** Shows what is wrong with the field, or that nothing is. */
export function showError({ field, scope, id, messages }: FieldPlace, error: FieldError | undefined): void {
  const text = error && fill(messages.fieldErrors?.[error.reason] ?? error.message, field.schema)
  const own = scope.hasAttribute('data-field')
  const named = scope.querySelector<HTMLElement>(`[data-error-for="${field.name}"]`)
  const place = named ?? (own ? find(scope, 'error') : null)
  if (place) {
    place.id ||= `${id}-error`
    place.textContent = text ?? ''
    place.hidden = !text
  }
  if (own) set(scope, 'data-invalid', !!text)
  for (const control of controlsIn(scope, field)) {
    set(control, 'aria-invalid', text && 'true')
    if (place) describe(control, place.id, !!text)
  }
}

/** Adds an id to what describes the control, or takes it away; the author's own stay. */
function describe(control: Element, id: string, on: boolean): void {
  const ids = new Set(control.getAttribute('aria-describedby')?.split(' '))
  if (on) ids.add(id)
  else ids.delete(id)
  set(control, 'aria-describedby', [...ids].join(' ') || undefined)
}

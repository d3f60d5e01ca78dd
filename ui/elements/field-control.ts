// One field in a form, whoever wrote its markup: fills in what the author left out, reads the value, shows what is
// wrong. What stands in the markup stays.

import type { FieldError } from '../../shared/errors.ts'
import type { FormField } from '../../shared/fields.ts'
import { fill, type Messages } from '../messages.ts'

/** Where the markup of a field is, and the id of its control. */
export interface FieldPlace {
  /** The field's own element, or the whole form. */
  readonly scope: Element
  readonly id: string
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

const controlsIn = (scope: ParentNode, { name }: FormField): Control[] => [
  ...scope.querySelectorAll<Control>(`:is(input, select, textarea)[name="${CSS.escape(name)}"]`),
]

const isChecked = (control: Control | undefined): boolean =>
  !!control && 'checked' in control && control.checked

/** What the user typed or chose. */
export function readValue(form: ParentNode, field: FormField): string {
  const controls = controlsIn(form, field)
  if (field.schema.type === 'boolean') return String(isChecked(controls[0]))
  const control = controls[0]?.type === 'radio' ? controls.find(isChecked) : controls[0]
  return control?.value ?? ''
}

const find = (scope: Element, part: string): HTMLElement | null =>
  scope.querySelector(`[data-part="${part}"]`)

/** Sets the attributes that are not there yet. */
function setDefaults(element: Element, values: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && !element.hasAttribute(name)) element.setAttribute(name, value)
  }
}

/** Gives the field's parts their texts, names, ids and hints, once. */
export function prepareField(
  { scope, id }: FieldPlace,
  field: FormField,
  { value, messages }: { readonly value: string; readonly messages: Messages },
): void {
  const { schema, required, secret, prefix, suffix, helpUrl } = field
  const texts = {
    label: schema.title + (required ? '' : ` ${messages.optional}`),
    description: schema.description,
    prefix,
    suffix,
    help: helpUrl && messages.help,
    reveal: fill(messages.reveal, schema),
  }
  // A form without parts of its own per field is the author's to word.
  if (scope.hasAttribute('data-field')) {
    for (const [part, text] of Object.entries(texts)) {
      const element = find(scope, part)
      if (!text) element?.remove()
      else if (element) element.textContent ||= text
    }
    setDefaults(find(scope, 'help') ?? scope, helpUrl ? { href: helpUrl } : {})
  }
  const controls = controlsIn(scope, field)
  for (const control of controls) {
    control.required = required
    if ('checked' in control && /radio|checkbox/.test(control.type)) {
      control.checked ||= value === (control.type === 'radio' ? control.value : 'true')
    } else {
      setDefaults(control, hintsFor(field))
      if (secret) setDefaults(control, { type: 'password' })
      if (value) control.value ||= value
    }
  }
  const [control] = controls
  if (!control || controls[1]) return
  control.id ||= id
  if (!scope.hasAttribute('data-field')) return
  find(scope, 'label')?.setAttribute('for', control.id)
  const description = find(scope, 'description')
  if (description) describe(control, (description.id ||= `${id}-description`), true)
}

function hintsFor({
  schema,
  secret,
  inputMode,
  autocomplete,
  placeholder,
}: FormField): Record<string, string | undefined> {
  const technical = secret || inputMode === 'url'
  return {
    maxlength: schema.enum ? undefined : String(schema.maxLength),
    placeholder: schema.enum ? undefined : placeholder,
    inputmode: inputMode,
    autocomplete: autocomplete ?? (secret ? 'off' : undefined),
    ...(technical && { spellcheck: 'false', autocapitalize: 'none', dir: 'ltr' }),
    // An API key is nothing for password managers to offer or to keep.
    ...(secret && !autocomplete && { 'data-1p-ignore': '', 'data-lpignore': 'true', 'data-bwignore': '' }),
  }
}

/** Shows what is wrong with the field, or that nothing is, and ties error and description to the control. */
export function showError(
  { scope, id }: FieldPlace,
  field: FormField,
  { error, messages }: { readonly error: FieldError | undefined; readonly messages: Messages },
): void {
  const text = error ? fill(messages.fieldErrors[error.reason] ?? error.message, field.schema) : ''
  const own = scope.hasAttribute('data-field')
  const place =
    scope.querySelector<HTMLElement>(`[data-error-for="${CSS.escape(field.name)}"]`) ??
    (own ? find(scope, 'error') : null)
  if (place) {
    place.id ||= `${id}-error`
    place.textContent = text
    place.hidden = !text
  }
  if (own) scope.toggleAttribute('data-invalid', !!text)
  for (const control of controlsIn(scope, field)) {
    if (text) control.setAttribute('aria-invalid', 'true')
    else control.removeAttribute('aria-invalid')
    if (place) describe(control, place.id, !!text)
  }
}

/** Adds an id to what describes the control, or takes it away; the author's own stay. */
function describe(control: Element, id: string, on: boolean): void {
  const ids = new Set(control.getAttribute('aria-describedby')?.split(/\s+/))
  if (on) ids.add(id)
  else ids.delete(id)
  if (ids.size > 0) control.setAttribute('aria-describedby', [...ids].join(' '))
  else control.removeAttribute('aria-describedby')
}

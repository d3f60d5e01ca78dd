// Form fields as the browser gets them: JSON Schema for what is valid, presentation for how it looks. No zod here:
// this module is part of the browser bundle. The server makes these values in server/integrations/field-set.ts.

import type { FieldError } from './errors.ts'
import { normalise, type NormaliseStep } from './normalise.ts'

/** The JSON Schema (2020-12) of one value: the subset that fields use. */
export interface FieldSchema {
  readonly type: 'string' | 'boolean'
  /** Visible label. */
  readonly title: string
  /** Help text below the control. */
  readonly description?: string
  /** Regular expression, anchored at both ends, with the flag `u`, applied after normalisation. */
  readonly pattern?: string
  readonly minLength?: number
  /** In UTF-16 units, as the control's own `maxlength`; 4096 where the integration says nothing, at most 8192. */
  readonly maxLength: number
  /** The allowed values of a choice. */
  readonly enum?: readonly string[]
  /** Value of the control at the start, and of an empty one. */
  readonly default?: string
}

/** One field of a form: its schema, and how to present it. Texts are plain text in the language asked for. */
export interface FormField {
  /** Name of the control and of the value. */
  readonly name: string
  /** An empty value is an error. */
  readonly required: boolean
  /** What a value must be, after `normalise`. */
  readonly schema: FieldSchema
  /** An example in the empty control. */
  readonly placeholder?: string
  /** Secret values are typed hidden, never sent back by the server, never kept in the page after success. */
  readonly secret: boolean
  /** What the control shows before and after the value: `https://`, `.myshopify.com`. Not part of the value. */
  readonly prefix?: string
  /** See `prefix`. */
  readonly suffix?: string
  /** Shown when the pattern does not match. */
  readonly patternMessage?: string
  /** Its choices are loaded as the account, by `flows.options`: only at the stage `configure`. */
  readonly options?: boolean
  /** Labels of the choices, no two the same, in the order of `schema.enum`. */
  readonly optionLabels?: readonly string[]
  /** Steps run on both sides before validation. */
  readonly normalise: readonly NormaliseStep[]
  /** HTML `autocomplete` of the control. */
  readonly autocomplete?: string
  /** HTML `inputmode` of the control. */
  readonly inputMode?: 'text' | 'url' | 'email' | 'numeric'
  /** Page that explains where to find the value. */
  readonly helpUrl?: string
}

/** Values of a form by field name, as typed. A checkbox is `'true'` or `'false'`. */
export type FieldValues = Readonly<Record<string, string>>

/** Normalised values, or what is wrong with them in the order of the form. */
export interface FieldsOutcome {
  readonly values: Record<string, string>
  readonly errors: readonly FieldError[]
}

/** Longest value that any field may allow, in UTF-16 units. */
export const maxFieldLength = 8192

/** How much a field takes where the integration says nothing. */
export const defaultFieldLength = 4096

/**
 * Normalises and checks values as far as a browser can. The server checks again and is the judge. Values of unknown
 * names are dropped; an empty value is its default, or `false` for a checkbox, or left out when it is optional. What
 * it answers may be given back to it, or to the server, and comes out the same.
 */
export function checkFields(fields: readonly FormField[], input: FieldValues): FieldsOutcome {
  const values: Record<string, string> = {}
  const errors: FieldError[] = []
  for (const field of fields) {
    const raw: unknown = Object.hasOwn(input, field.name) && input[field.name]
    const value = fillIn(field.schema, normalise(typeof raw === 'string' ? raw : '', field.normalise))
    const error = checkField(field, value)
    if (error) errors.push(error)
    else if (value !== '') values[field.name] = value
  }
  return { values, errors }
}

/** What is wrong with one normalised value, or undefined. */
export function checkField(field: FormField, value: string): FieldError | undefined {
  const { title, pattern, maxLength, minLength = 0, type } = field.schema
  const error = (reason: FieldError['reason'], message: string): FieldError => ({
    field: field.name,
    reason,
    message,
  })
  if (value === '') return field.required ? error('required', `${title} is required.`) : undefined
  if (value.length > maxLength || value.length < minLength)
    return error('length', `${title} must have ${minLength} to ${maxLength} characters.`)
  const choices = type === 'boolean' ? ['true', 'false'] : field.schema.enum
  if (choices && !choices.includes(value))
    return error(type === 'boolean' ? 'type' : 'enum', `${title} must be one of the choices.`)
  if (!isPlainText(value)) return error('type', `${title} must be one line.`)
  if (pattern !== undefined && !matches(pattern, value)) {
    return error('pattern', field.patternMessage ?? `${title} does not have the expected form.`)
  }
  return undefined
}

/** Compiles as the server does: with the flag `u` and no other. Patterns are anchored by definition. */
const matches = (pattern: string, value: string): boolean => new RegExp(pattern, 'u').test(value)

/** One line of well-formed text: a line break or half a character pasted along is never part of a value. */
const isPlainText = (value: string): boolean => value.isWellFormed() && !/\p{Cc}/u.test(value)

function fillIn(schema: FieldSchema, value: string): string {
  if (value !== '') return value
  return schema.default ?? (schema.type === 'boolean' ? 'false' : '')
}

// The fields of a connect method, declared once with zod: what the browser gets of them, and the server's judgement.
// Everything that would let browser and server disagree is refused when the fields are declared.

import { z } from 'zod'
import { AuthFlowError, type FieldError } from '../../shared/errors.ts'
import {
  checkField,
  checkFields,
  defaultFieldLength,
  maxFieldLength,
  type FieldSchema,
  type FieldsOutcome,
  type FieldValues,
  type FormField,
} from '../../shared/fields.ts'
import { normalise } from '../../shared/normalise.ts'
import { translation } from './field-languages.ts'
import type { FieldSet, FieldTexts } from './integration.ts'
import { scanPattern } from './pattern-scan.ts'

/** Names that plain objects have of themselves, or that a form could not carry. */
const namePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

const maxFields = 32

const step = z.union([
  z.enum(['trim', 'lower', 'stripScheme', 'stripPath', 'stripTrailingDot']),
  z.tuple([z.literal('addSuffix'), z.string().min(1)]),
  z.tuple([z.literal('stripSuffix'), z.string().min(1)]),
  z.tuple([z.literal('stripPrefix'), z.string().min(1)]),
])

const fieldTexts = z.strictObject({
  title: z.string().min(1).optional(),
  description: z.string().min(1).optional(),
  placeholder: z.string().optional(),
  patternMessage: z.string().min(1).optional(),
  rejectedMessage: z.string().min(1).optional(),
  optionLabels: z.array(z.string()).readonly().optional(),
})

const fieldMeta = z.strictObject({
  title: z.string().min(1),
  description: z.string().min(1).optional(),
  placeholder: z.string().optional(),
  secret: z.boolean().optional(),
  prefix: z.string().optional(),
  suffix: z.string().optional(),
  order: z.number().optional(),
  normalise: z.array(step).optional(),
  patternMessage: z.string().min(1).optional(),
  optionLabels: z.array(z.string()).optional(),
  options: z.literal(true).optional(),
  helpUrl: z.url({ protocol: /^https$/ }).optional(),
  autocomplete: z.string().optional(),
  inputMode: z.enum(['text', 'url', 'email', 'numeric']).optional(),
  locales: z.record(z.string().regex(/^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i), fieldTexts).optional(),
})

/**
 * What `.meta()` of a field takes beside zod's own checks; see `FormField` for each. `title` is needed. `order` sorts
 * the form (default 0; equal ones stay as declared). `locales` has the texts in other languages than the one that the
 * others are in, which counts as English: `{ de: { title: 'Shop-Adresse' } }`. Write `.meta({ … } satisfies FieldMeta)` for help by the editor;
 * a name or value that is none is refused in any case.
 */
export type FieldMeta = z.input<typeof fieldMeta>

/**
 * Fields from `z.object({ name: z.string() | z.enum([…]) | z.boolean() })`, each with a title by `.meta()`, optional by
 * `.optional()` or with a `.default()`. Strings take `min`, `max`, `length` and one anchored `regex`, whose message is
 * `patternMessage`; what else would change or judge the value is not known to the browser and refused:
 * use `normalise` for changes, and the integration's `verify` for judgements.
 *
 * @throws {@link AuthFlowError} `invalid_option`, which names the field and what is wrong with it
 */
export function defineFields(schema: z.ZodObject): FieldSet {
  const entries = Object.entries(schema.shape)
  if (entries.length > maxFields) throw invalid(`A form has at most ${maxFields} fields.`)
  if (schema._zod.def.checks?.length)
    throw invalid('Checks on the whole object are not known to the browser.')
  const described = entries
    .map(([name, field]) => describeField(name, field))
    .sort((left, right) => left.order - right.order)
  const form = described.map(({ field }) => field)
  const locales = new Map(described.map(({ field, locales: texts }) => [field.name, texts]))
  return { form, parse: (values) => judge(schema, form, values), ...translation(form, locales) }
}

/** The shared checks first, which are the browser's own; then zod, so that it is the schema that has the last word. */
function judge(schema: z.ZodObject, form: readonly FormField[], input: FieldValues): FieldsOutcome {
  const given: unknown = input
  const outcome = checkFields(form, typeof given === 'object' && given !== null ? input : {})
  if (outcome.errors.length > 0) return outcome
  const typed = form
    .filter(({ name }) => Object.hasOwn(outcome.values, name))
    .map(({ name, schema: { type } }) => [
      name,
      type === 'boolean' ? outcome.values[name] === 'true' : outcome.values[name],
    ])
  const result = schema.safeParse(Object.fromEntries(typed))
  if (result.success) return outcome
  const wrong = new Set(result.error.issues.map((issue) => issue.path[0]))
  const errors = form
    .filter(({ name }) => wrong.has(name))
    .map((field): FieldError => {
      return { field: field.name, reason: 'rejected', message: `${field.schema.title} is not accepted.` }
    })
  const values = Object.fromEntries(Object.entries(outcome.values).filter(([name]) => !wrong.has(name)))
  return { values, errors }
}

type StringSchema = z.ZodString | z.ZodStringFormat

/** A field without its wrappers. */
interface Unwrapped {
  readonly core: StringSchema | z.ZodEnum | z.ZodBoolean
  readonly required: boolean
  readonly default?: string
  readonly meta: Record<string, unknown>
}

/** A field as it is declared. */
interface Described {
  readonly order: number
  readonly field: FormField
  readonly locales: ReadonlyMap<string, FieldTexts>
}

function describeField(name: string, field: z.core.$ZodType): Described {
  if (!namePattern.test(name) || name in Object.prototype)
    throw invalid(`\`${name}\` cannot be the name of a field.`)
  const fail = (what: string): never => {
    throw invalid(`Field \`${name}\`: ${what}.`)
  }
  const unwrapped = unwrap(field, fail)
  const meta = fieldMeta.safeParse(unwrapped.meta)
  if (!meta.success) return fail(`its meta is not valid (${describeIssues(meta.error)})`)
  const { title, description, order = 0, normalise: steps = [], secret = false, ...more } = meta.data
  const { locales = {}, ...rest } = more
  const schema = describeCore(unwrapped.core, fail)
  const shown: FormField = {
    name,
    required: unwrapped.required,
    schema: {
      ...schema,
      title,
      ...present({ description, default: unwrapped.default }),
    },
    secret,
    normalise: steps,
    ...present(rest),
  }
  checkConsistency(shown, fail)
  const texts = Object.entries(locales).map(([tag, own]) => [tag.toLowerCase(), own] as const)
  for (const [tag, own] of texts) checkTexts(shown, own, (what) => fail(`its texts in ${tag}: ${what}`))
  return { order, field: shown, locales: new Map(texts) }
}

type Fail = (what: string) => never

/** Takes `optional` and `default` off. Meta of a wrapper adds to what it wraps. */
function unwrap(field: z.core.$ZodType, fail: Fail): Unwrapped {
  const meta = { ...z.globalRegistry.get(field) }
  if (field instanceof z.ZodOptional) {
    const inner = unwrap(field.unwrap(), fail)
    return { ...inner, required: false, meta: { ...inner.meta, ...meta } }
  }
  if (field instanceof z.ZodDefault) {
    const inner = unwrap(field.unwrap(), fail)
    return {
      ...inner,
      required: false,
      default: String(field._zod.def.defaultValue),
      meta: { ...inner.meta, ...meta },
    }
  }
  if (field instanceof z.ZodString || field instanceof z.ZodStringFormat)
    return { core: field, required: true, meta }
  if (field instanceof z.ZodEnum || field instanceof z.ZodBoolean)
    return { core: field, required: true, meta }
  if (field instanceof z.ZodPipe || field instanceof z.ZodTransform)
    return fail('use `normalise` instead of a transform')
  return fail(
    `a ${field._zod.def.type} cannot be a field; use a string, enum or boolean, optional or with a default`,
  )
}

/** Type, lengths, pattern and choices. */
function describeCore(core: Unwrapped['core'], fail: Fail): Omit<FieldSchema, 'title'> {
  const isString = core instanceof z.ZodString || core instanceof z.ZodStringFormat
  const pattern = isString ? readPattern(core, fail) : undefined
  if (!isString && core._zod.def.checks?.length) fail('only strings take further checks')
  const json = z.toJSONSchema(core, { io: 'input' })
  if (json.type === 'boolean') return { type: 'boolean', maxLength: 5 }
  const { minLength, maxLength = defaultFieldLength } = json
  const choices = json.enum?.map((choice) =>
    typeof choice === 'string' ? choice : fail('an enum must hold strings'),
  )
  if (maxLength > maxFieldLength) fail(`its longest value is over ${maxFieldLength}`)
  if (minLength !== undefined && minLength > maxLength) fail('its shortest value is longer than its longest')
  return { type: 'string', maxLength, ...present({ minLength, pattern, enum: choices }) }
}

/** Source of the one pattern. Only checks that JSON Schema can say as well, and that both sides read alike. */
function readPattern(core: StringSchema, fail: Fail): string | undefined {
  const own = core instanceof z.ZodStringFormat ? [core._zod.def] : []
  const found: string[] = []
  for (const def of [...own, ...(core._zod.def.checks ?? []).map((check) => check._zod.def)]) {
    if (def.error !== undefined) fail('messages of checks are not known to the browser; use `patternMessage`')
    if (def.check === 'min_length' || def.check === 'max_length' || def.check === 'length_equals') continue
    if (def.check === 'overwrite') fail('use `normalise` instead of a transform')
    const pattern = 'pattern' in def ? def.pattern : undefined
    if (def.check !== 'string_format' || !(pattern instanceof RegExp)) {
      return fail('of checks it may have min, max, length and regex')
    }
    const problem = scanPattern(pattern)
    if (problem !== undefined) fail(`its pattern ${problem}`)
    found.push(pattern.source)
  }
  if (found.length > 1) fail('it may have one pattern')
  return found[0]
}

/** What no value could ever satisfy, or what would be misleading. */
function checkConsistency(field: FormField, fail: Fail): void {
  const { schema, normalise: steps, optionLabels, patternMessage } = field
  if (patternMessage !== undefined && schema.pattern === undefined)
    fail('it has a patternMessage but no pattern')
  if (optionLabels && optionLabels.length !== schema.enum?.length)
    fail('it must have one option label for each choice')
  for (const probe of ['a', 'A', 'a.b', 'https://a/b']) {
    const once = normalise(probe, steps)
    if (normalise(once, steps) !== once) fail('its normalise steps undo each other')
  }
  for (const value of [...(schema.enum ?? []), ...(schema.default === undefined ? [] : [schema.default])]) {
    if (value === '' || normalise(value, steps) !== value || checkField(field, value)) {
      fail('a choice or the default is not a value that it accepts')
    }
  }
}

/** What texts in another language cannot have where the declaration has nothing of the kind. */
function checkTexts({ schema }: FormField, { optionLabels, patternMessage }: FieldTexts, fail: Fail): void {
  if (patternMessage !== undefined && schema.pattern === undefined)
    fail('they have a patternMessage, but there is no pattern')
  if (optionLabels && optionLabels.length !== schema.enum?.length)
    fail('they must have one option label for each choice')
}

/** Without the members that are undefined. */
function present<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

const describeIssues = (error: z.ZodError): string =>
  error.issues.map((issue) => `${issue.path.join('.') || 'meta'}: ${issue.message}`).join('; ')

const invalid = (message: string): AuthFlowError => new AuthFlowError('invalid_option', message)

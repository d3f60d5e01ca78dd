// Fills what is asked after authorisation with the choices that the account has, in every view of a flow that a page is
// given. What can't be loaded is told at its field, and loaded again with the next answer.

import { AuthFlowError, isAuthFlowError, type FieldError } from '../../shared/errors.ts'
import type { FormField } from '../../shared/fields.ts'
import type { FieldOption, FieldOptions, FlowView } from '../../shared/flow.ts'
import type { Configuration, ConfiguringContext } from '../integrations/integration.ts'
import { actingFor, asProvider, type ConfigureParts } from './acting.ts'
import type { FlowRecord } from './records.ts'

/** Choices that a form shows; more are to be searched by `flows.options`. */
const maxOptions = 1000
/** Pages that are asked for to get as many. */
const maxPages = 10
/** How long the provider may take for all of them, in ms: less than pages wait for an answer. */
const patienceMs = 10_000
/** How long choices are kept for other tabs and for polls, in ms. */
const keepMs = 5_000
const maxKept = 1_000

interface Filled {
  readonly fields: readonly FormField[]
  readonly errors: readonly FieldError[]
}

/** Fills the views of a connect service. */
export type FillChoices = (view: FlowView) => Promise<FlowView>

/** Loads once for all who ask within a few seconds. */
export function createChoices(parts: ConfigureParts): FillChoices {
  const kept = new Map<string, { readonly filled: Promise<Filled>; readonly until: number }>()
  const load = (flow: FlowRecord, configure: Configuration): Promise<Filled> => {
    const now = performance.now()
    for (const [id, { until }] of kept) if (until < now || kept.size > maxKept) kept.delete(id)
    const found = kept.get(flow.id)
    if (found) return found.filled
    const filled = fillAll(parts, flow, configure)
    kept.set(flow.id, { filled, until: now + keepMs })
    // A failure is not worth keeping.
    void filled.then(({ errors }) => errors.length > 0 && kept.delete(flow.id))
    return filled
  }
  return async (view) => {
    const { configure } = parts.context.integration(view.integration)
    if (view.stage !== 'configure' || !configure) return view
    const flow = await parts.flows.find(view.id)
    if (flow?.stage !== 'configure') return view
    const { fields, errors } = await load(flow, configure)
    const told = new Set(errors.map(({ field }) => field))
    return { ...view, fields, errors: [...errors, ...view.errors.filter(({ field }) => !told.has(field))] }
  }
}

/** Never rejects. */
async function fillAll(parts: ConfigureParts, flow: FlowRecord, configure: Configuration): Promise<Filled> {
  const signal = AbortSignal.timeout(patienceMs)
  const late = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(new AuthFlowError('provider_unavailable'))),
  )
  const fields: FormField[] = []
  const errors: FieldError[] = []
  for (const field of configure.fields.form) {
    try {
      const work = async (): Promise<FormField> =>
        withChoices(configure, field, {
          acting: await actingFor(parts, flow),
          chosen: flow.values[field.name],
        })
      fields.push(field.options ? await Promise.race([work(), late]) : field)
    } catch (error) {
      parts.context.log.info(
        { err: error, flowId: flow.id, field: field.name },
        'choices could not be loaded',
      )
      // Not required, so that the form can be sent again: the answer is judged by the field as it was declared.
      fields.push({ ...field, required: false, schema: { ...field.schema, enum: [] } })
      const message = isAuthFlowError(error)
        ? error.message
        : new AuthFlowError('provider_unavailable').message
      errors.push({ field: field.name, reason: 'unavailable', message })
    }
  }
  return { fields, errors }
}

/** The field as a choice of what is there now, with what was chosen before. Throws `nothing_to_choose`. */
async function withChoices(
  configure: Configuration,
  field: FormField,
  { acting, chosen }: { readonly acting: ConfiguringContext; readonly chosen: string | undefined },
): Promise<FormField> {
  const found: FieldOption[] = []
  let cursor: string | undefined
  for (let pages = 0; pages < maxPages && found.length < maxOptions; pages += 1) {
    const page = await loadPage(configure, { field: field.name, search: '', cursor }, acting)
    found.push(...page.options)
    cursor = page.cursor
    if (cursor === undefined) break
  }
  if (found.length === 0 && field.required) throw new AuthFlowError('nothing_to_choose')
  const shown = found.slice(0, maxOptions)
  const isCut = cursor !== undefined || found.length > maxOptions
  if (isCut && chosen && !shown.some(({ value }) => value === chosen)) {
    const far = await loadChosen(configure, { field: field.name, value: chosen }, acting)
    if (far) shown.splice(maxOptions - 1, 1, far)
  }
  const schema = { ...field.schema, enum: shown.map(({ value }) => value) }
  return { ...field, schema, optionLabels: distinctLabels(shown) }
}

/** A choice that is further down than the form's list goes; undefined when it is gone. */
async function loadChosen(
  configure: Configuration,
  asked: { readonly field: string; readonly value: string },
  acting: ConfiguringContext,
): Promise<FieldOption | undefined> {
  const { value } = asked
  if (!configure.labelOf) return { value, label: value }
  // The list is there: a name that can't be had, as without the right to see a private channel, must not take it away.
  const label = await configure.labelOf(asked, acting).catch(() => value)
  return label === undefined ? undefined : { value, label: label.slice(0, maxLabelLength) }
}

/** Labels that people can tell apart. */
function distinctLabels(options: readonly FieldOption[]): string[] {
  const counts = new Map<string, number>()
  for (const { label } of options) counts.set(label, (counts.get(label) ?? 0) + 1)
  return options.map(({ label, value }) => (counts.get(label) === 1 ? label : `${label} (${value})`))
}

/** Longest texts; what an integration gives beyond that is left out. */
const maxValueLength = 512
const maxLabelLength = 256
const maxCursorLength = 1024

/** One page from the integration, bounded. */
export async function loadPage(
  configure: Configuration,
  asked: Parameters<Configuration['options']>[0],
  acting: ConfiguringContext,
): Promise<FieldOptions> {
  const { options, cursor } = await asProvider(() => configure.options(asked, acting))
  const shown = options
    .filter(({ value }) => value !== '' && value.length <= maxValueLength)
    .slice(0, maxOptions)
    .map(({ value, label }) => ({ value, label: label.slice(0, maxLabelLength) }))
  return { options: shown, ...(cursor && cursor.length <= maxCursorLength ? { cursor } : {}) }
}

// Puts the texts of integrations into the language of whoever reads them: on the way out, after everything else, so that
// what is kept is in one language and two who read the same flow may read it in two.

import { nearestLanguage } from '../../shared/languages.ts'
import type { ConnectMethod, FlowView, IntegrationView } from '../../shared/flow.ts'
import type { FieldSet } from '../integrations/integration.ts'
import { findMethod, type Connectable } from './context.ts'

/** What stands where nothing else is said. */
const declaredIn = 'en'

/** The view in the nearest of its languages, with which that is. */
export function speakIntegration(
  view: IntegrationView,
  integration: Connectable,
  wanted: readonly string[],
): IntegrationView & { readonly language: string } {
  const methods = speakMethods(view.methods, integration, wanted)
  const configureLabel = inLanguage(integration.configure?.labels, wanted) ?? view.configureLabel
  const language = languageOf(integration, wanted)
  return { ...view, language, methods, ...(configureLabel === undefined ? {} : { configureLabel }) }
}

/** The flow in the language of its token, else of the reader. */
export function speakFlow(view: FlowView, integration: Connectable, readers: readonly string[]): FlowView {
  const wanted = view.locale === undefined ? readers : [view.locale, ...readers]
  const asked = view.stage === 'configure' ? integration.configure?.fields : askedBy(view, integration)
  const translated = asked?.translate?.(wanted)
  return {
    ...view,
    methods: speakMethods(view.methods, integration, wanted),
    ...(translated && { fields: view.fields.map(translated.field), errors: translated.errors(view.errors) }),
  }
}

function askedBy({ method }: FlowView, integration: Connectable): FieldSet | undefined {
  return method === undefined ? undefined : findMethod(integration, method)?.fields
}

function speakMethods(
  methods: readonly ConnectMethod[],
  integration: Connectable,
  wanted: readonly string[],
): readonly ConnectMethod[] {
  return methods.map((method) => {
    const declared = findMethod(integration, method.id)
    const translated = declared?.fields?.translate?.(wanted)
    const label = inLanguage(declared?.labels, wanted) ?? method.label
    const words =
      declared && 'scopeLocales' in declared ? inLanguage(declared.scopeLocales, wanted) : undefined
    const scopes = method.scopes.map((one) => ({ ...one, label: words?.[one.scope] ?? one.label }))
    return {
      ...method,
      label,
      scopes,
      ...(method.scopeLabels && { scopeLabels: { ...method.scopeLabels, ...words } }),
      ...(translated && { fields: method.fields.map(translated.field) }),
    }
  })
}

/** What there is in the nearest of the languages; undefined where that is the one of the declaration. */
function inLanguage<Text>(
  texts: Readonly<Record<string, Text>> = {},
  wanted: readonly string[],
): Text | undefined {
  const byTag = new Map(Object.entries(texts).map(([tag, text]) => [tag.toLowerCase(), text]))
  const language = nearestLanguage(wanted, (tag) => byTag.has(tag) || tag === declaredIn)
  return language === undefined ? undefined : byTag.get(language)
}

/** What a description as a whole is in: of its fields, else of its labels. */
function languageOf({ methods, configure }: Connectable, wanted: readonly string[]): string {
  const sets = [...methods.map(({ fields }) => fields), configure?.fields]
  for (const set of sets) {
    const translated = set?.translate?.(wanted)
    if (translated) return translated.language
  }
  const tags = new Set(
    methods.flatMap(({ labels = {} }) => Object.keys(labels).map((tag) => tag.toLowerCase())),
  )
  return nearestLanguage(wanted, (tag) => tags.has(tag) || tag === declaredIn) ?? declaredIn
}

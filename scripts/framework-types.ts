// Types of the elements for the template languages of frameworks, made from the custom-elements manifest.
//
//   tsx scripts/framework-types.ts      writes ui/types/*.d.ts and ui/types/angular.ts

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { root } from './source-files.ts'

const folder = 'ui/types'

const named = z.object({
  name: z.string(),
  description: z.string().default(''),
  type: z.object({ text: z.string() }).optional(),
})
const manifest = z.object({
  modules: z.array(
    z.object({
      declarations: z.array(
        z.object({
          name: z.string(),
          tagName: z.string(),
          summary: z.string().default(''),
          attributes: z.array(named.partial({ name: true })).default([]),
          members: z
            .array(named.extend({ kind: z.string(), readonly: z.boolean().default(false) }))
            .default([]),
          events: z.array(named).default([]),
        }),
      ),
    }),
  ),
})

type Named = z.infer<typeof named>

/** An element as templates see it. */
interface TemplateElement {
  readonly tag: string
  readonly className: string
  readonly summary: string
  readonly attributes: readonly Named[]
  /** Properties that no attribute can carry: functions and objects. */
  readonly properties: readonly Named[]
  readonly events: readonly Named[]
}

function readElements(): TemplateElement[] {
  const text = readFileSync(join(root, folder, 'custom-elements.json'), 'utf8')
  return manifest
    .parse(JSON.parse(text))
    .modules.flatMap(({ declarations }) => declarations)
    .map(({ tagName, name, summary, attributes, members, events }) => {
      const usable = attributes.filter((one): one is Named => !!one.name && !one.name.startsWith('data-'))
      const carried = new Set(usable.map((one) => one.name.replaceAll('-', '')))
      return {
        tag: tagName,
        className: name,
        summary,
        attributes: usable,
        properties: members.filter(
          (one) =>
            one.kind === 'field' &&
            !one.readonly &&
            !['flow', 'connection', 'open', 'htmlFor'].includes(one.name) &&
            !carried.has(one.name.toLowerCase()),
        ),
        events,
      }
    })
}

/** `auth-success` as `AuthSuccess`. */
const pascal = (name: string): string =>
  name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())

const member = (key: string, type: string, description: string): string =>
  `    /** ${description.replace(/\s+/g, ' ').trim()} */\n    '${key}'?: ${type} | undefined`

interface Dialect {
  readonly file: string
  readonly about: string
  readonly imports: string
  /** Key of a property that is no attribute. */
  readonly property: (name: string) => string
  /** Key of an event's handler. */
  readonly event: (name: string) => string
  readonly declare: (elements: readonly { tag: string; props: string; className: string }[]) => string
}

const jsx =
  (module: string, base: (className: string) => string): Dialect['declare'] =>
  (elements) => `declare module '${module}' {
  namespace JSX {
    interface IntrinsicElements {
${elements.map(({ tag, props, className }) => `      '${tag}': ${base(className)} & ${props}`).join('\n')}
    }
  }
}`

const dialects: readonly Dialect[] = [
  {
    file: 'react.d.ts',
    about: 'React 19',
    imports: "import type { DetailedHTMLProps, HTMLAttributes } from 'react'",
    property: (name) => name,
    event: (name) => `on${name}`,
    declare: jsx(
      'react',
      (name) => `DetailedHTMLProps<HTMLAttributes<${name}>, ${name}> & { class?: string }`,
    ),
  },
  {
    file: 'preact.d.ts',
    about: 'Preact',
    imports: "import type { HTMLAttributes } from 'preact'",
    property: (name) => name,
    event: (name) => `on${name}`,
    declare: jsx('preact', (name) => `HTMLAttributes<${name}>`),
  },
  {
    file: 'solid.d.ts',
    about: 'Solid',
    imports: "import type { JSX as Solid } from 'solid-js'",
    property: (name) => `prop:${name}`,
    event: (name) => `on:${name}`,
    declare: jsx('solid-js', (name) => `Solid.HTMLAttributes<${name}>`),
  },
  {
    file: 'svelte.d.ts',
    about: 'Svelte 5',
    imports: "import type { HTMLAttributes } from 'svelte/elements'",
    property: (name) => name,
    event: (name) => `on${name}`,
    declare: (elements) => `declare module 'svelte/elements' {
  interface SvelteHTMLElements {
${elements.map(({ tag, props, className }) => `    '${tag}': HTMLAttributes<${className}> & ${props}`).join('\n')}
  }
}`,
  },
  {
    file: 'vue.d.ts',
    about: 'Vue 3',
    imports: "import type { DefineComponent, HTMLAttributes } from 'vue'",
    property: (name) => name,
    event: (name) => `on${pascal(name)}`,
    declare: (elements) => `declare module 'vue' {
  interface GlobalComponents {
${elements.map(({ tag, props }) => `    '${tag}': DefineComponent<HTMLAttributes & ${props}>`).join('\n')}
  }
}`,
  },
]

function propsOf(element: TemplateElement, dialect: Dialect): string {
  const lines = [
    ...element.attributes.map(({ name, type, description }) =>
      member(name, type?.text ?? 'string', description),
    ),
    ...element.properties.map(({ name, description }) =>
      member(dialect.property(name), `${element.className}['${name}']`, description),
    ),
    ...element.events.map(({ name, description }) =>
      member(dialect.event(name), `((event: AuthFlowEvents['${name}']) => void)`, description),
    ),
  ]
  return lines.join('\n')
}

function render(dialect: Dialect, elements: readonly TemplateElement[]): string {
  const classes = elements.map(({ className }) => className)
  const interfaces = elements.map(
    (element) => `  /** ${element.summary} */
  interface ${pascal(element.tag)}Props {
${propsOf(element, dialect)}
  }`,
  )
  const declared = dialect.declare(
    elements.map(({ tag, className }) => ({ tag, className, props: `Authflow.${pascal(tag)}Props` })),
  )
  return `// Types of the elements in ${dialect.about}'s templates. Made by \`npm run elements\`; not to be edited.

${dialect.imports}
import type {
  AuthFlowEvents,
${classes.map((name) => `  ${name},`).join('\n')}
} from '../index.js'

declare namespace Authflow {
${interfaces.join('\n\n')}
}

${declared}
`
}

const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())

/** An input of a directive: the attribute's own name, the element's own type, set on the element. */
function angularInput({ name, description, type }: Named, set: string): string {
  const alias = camel(name) === name ? '' : `'${name}'`
  return `  /** ${description.replace(/\s+/g, ' ').trim()} */
  @Input(${alias}) set ${camel(name)}(value: ${type?.text ?? 'string'} | null | undefined) {
    ${set}
  }`
}

function angularDirective({ tag, className, summary, attributes, properties }: TemplateElement): string {
  const inputs = [
    ...attributes.map((one) => angularInput(one, `setAttribute(this.element, '${one.name}', value)`)),
    ...properties.map((one) =>
      angularInput(
        { ...one, type: { text: `${className}['${one.name}']` } },
        `this.element.${one.name} = value ?? undefined`,
      ),
    ),
  ]
  return `/** ${summary} */
@Directive({ selector: '${tag}', standalone: true })
export class ${className.replace(/Element$/, 'Directive')} {
  private readonly element = hostElement<${className}>()

${inputs.join('\n\n')}
}`
}

/**
 * Directives are compiled with the application, so Angular has them as source. They declare no outputs: Angular listens to
 * the element itself, whose events have types already, and with an output every handler would be called twice.
 */
function renderAngular(elements: readonly TemplateElement[]): string {
  const names = elements.map(({ className }) => className)
  return `// The elements in Angular's templates: directives that make tags and inputs known to its compiler, in the place of
// CUSTOM_ELEMENTS_SCHEMA. Made from the custom-elements manifest, to be copied into an application; not to be edited.

import { Directive, ElementRef, inject, Input } from '@angular/core'
import type {
${names.map((name) => `  ${name},`).join('\n')}
} from 'authflow/ui'

const hostElement = <Host extends Element>(): Host => inject<ElementRef<Host>>(ElementRef).nativeElement

function setAttribute(element: Element, name: string, value: string | null | undefined): void {
  if (value === null || value === undefined) element.removeAttribute(name)
  else element.setAttribute(name, value)
}

${elements.map(angularDirective).join('\n\n')}

/** All of them, for \`imports\` of a component. */
export const authElements = [
${names.map((name) => `  ${name.replace(/Element$/, 'Directive')},`).join('\n')}
] as const
`
}

/** The files by their path in the repository. */
export function frameworkTypes(): Map<string, string> {
  const elements = readElements()
  return new Map([
    ...dialects.map((dialect) => [`${folder}/${dialect.file}`, render(dialect, elements)] as const),
    [`${folder}/angular.ts`, renderAngular(elements)],
  ])
}

if (import.meta.filename === process.argv[1]) {
  for (const [path, text] of frameworkTypes()) writeFileSync(join(root, path), text)
}

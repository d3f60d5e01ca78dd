// Writes docs/reference: a page for each entry point of the package from the declarations that users get, and one for
// the elements from their manifest. Wants a build. Nothing here is written by hand; the folder is not committed.
//
//   tsx scripts/reference-pages.ts

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseSync, type Statement } from 'oxc-parser'
import { z } from 'zod'
import { readManifest } from './public-entries.ts'
import { root } from './source-files.ts'
import { transitions } from '../ui/flow/machine.ts'

const folder = join(root, 'docs/reference')

/** One export with its text as users' editors show it. */
interface Entry {
  readonly name: string
  readonly comment: string
  readonly code: string
}

interface Module {
  readonly file: string
  readonly source: string
  readonly body: readonly Statement[]
}

const modules = new Map<string, Module>()

function load(file: string): Module {
  let module = modules.get(file)
  if (!module) {
    const source = readFileSync(file, 'utf8')
    module = { file, source, body: parseSync(file, source).program.body }
    modules.set(file, module)
  }
  return module
}

/** `./x.js` and `./x.ts` of a declaration file as the file that declares it. */
function declarationsOf(from: string, specifier: string): string | undefined {
  const file = join(dirname(from), specifier.replace(/\.(js|ts)$/, '.d.ts'))
  return specifier.startsWith('.') && existsSync(file) ? file : undefined
}

const textOf = (node: { type: string; name?: string; value?: unknown }): string =>
  node.name ?? String(node.value)

type Declared = Extract<Statement, { type: 'ExportNamedDeclaration' }>['declaration']

function namesOf(declaration: NonNullable<Declared>): string[] {
  if (declaration.type === 'VariableDeclaration')
    return declaration.declarations.flatMap(({ id }) => (id.type === 'Identifier' ? [id.name] : []))
  return 'id' in declaration && declaration.id?.type === 'Identifier' ? [declaration.id.name] : []
}

/** The doc comment that ends right before a place, without its stars. */
function commentBefore(source: string, start: number): string {
  const before = source.slice(0, start).trimEnd()
  if (!before.endsWith('*/')) return ''
  const text = before.slice(before.lastIndexOf('/**'))
  return text
    .replace(/^\/\*\*|\*\/$/g, '')
    .replace(/^\s*\* ?/gm, '')
    .trim()
}

/** Every export of a module by its name there, re-exports followed. */
function exportsOf(file: string): Map<string, Entry> {
  const module = load(file)
  const found = new Map<string, Entry>()
  const local = (name: string): Entry | undefined => {
    for (const statement of module.body) {
      if (statement.type === 'ImportDeclaration') {
        const specifier = statement.specifiers.find((one) => one.local.name === name)
        const from = specifier && declarationsOf(file, statement.source.value)
        if (from && specifier.type === 'ImportSpecifier')
          return exportsOf(from).get(textOf(specifier.imported))
      }
      const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
      if (declaration && 'id' in declaration && namesOf(declaration as NonNullable<Declared>).includes(name))
        return entry(module, statement, name)
    }
    return undefined
  }
  for (const statement of module.body) {
    if (statement.type === 'ExportAllDeclaration') {
      const from = declarationsOf(file, statement.source.value)
      if (from) for (const [name, one] of exportsOf(from)) found.set(name, one)
    }
    if (statement.type !== 'ExportNamedDeclaration') continue
    if (statement.declaration) {
      for (const name of namesOf(statement.declaration)) {
        const before = found.get(name)
        const one = entry(module, statement, name)
        // Overloads stand together under the first one's comment.
        found.set(name, before ? { ...before, code: `${before.code}\n${one.code}` } : one)
      }
      continue
    }
    const from = statement.source && declarationsOf(file, statement.source.value)
    for (const { local: inner, exported } of statement.specifiers) {
      const one = statement.source ? from && exportsOf(from).get(textOf(inner)) : local(textOf(inner))
      if (one) found.set(textOf(exported), { ...one, name: textOf(exported) })
    }
  }
  return found
}

function entry({ source }: Module, statement: Statement, name: string): Entry {
  const code = source
    .slice(statement.start, statement.end)
    .replace(/^export (declare )?/, '')
    // What is the class's own is nobody's to use.
    .replace(/^ +(#private;|private .*|protected .*)\n/gm, '')
  return { name, comment: commentBefore(source, statement.start), code }
}

/** Doc comment as Markdown: tags become sentences, angle brackets stay text. */
const prose = (comment: string): string =>
  comment
    .replace(/\{@link (\w+)[^}]*\}/g, '`$1`')
    .replace(/^@throws /gm, '\n**Throws** ')
    .replace(/^@param (\S+) ?-? ?/gm, '\n- `$1`: ')
    .replace(/^@returns? /gm, '\n**Gives** ')
    .replace(/^@(tag|summary|attr|event|cssPart|cssState|internal).*$/gm, '')
    .split(/(`[^`]*`)/)
    .map((part, index) => (index % 2 ? part : part.replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;')))
    .join('')
    .trim()

function pageOf(specifier: string, entries: readonly Entry[]): string {
  const parts = entries.map(
    ({ name, comment, code }) => `## ${name}\n\n${prose(comment)}\n\n\`\`\`ts\n${code.trim()}\n\`\`\`\n`,
  )
  return `---\noutline: [2, 2]\n---\n\n# \`${specifier}\`\n\n${parts.join('\n')}`
}

const described = z.object({ name: z.string().optional(), description: z.string().default('') })
const elements = z.object({
  modules: z.array(
    z.object({
      declarations: z.array(
        z.object({
          tagName: z.string(),
          description: z.string().default(''),
          attributes: z
            .array(described.extend({ type: z.object({ text: z.string() }).optional() }))
            .default([]),
          events: z.array(described).default([]),
          members: z
            .array(described.extend({ kind: z.string(), type: z.object({ text: z.string() }).optional() }))
            .default([]),
        }),
      ),
    }),
  ),
})

const cell = (text: string): string =>
  text.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;')

function elementsPage(): string {
  const text = readFileSync(join(root, 'ui/types/custom-elements.json'), 'utf8')
  const parts = elements.parse(JSON.parse(text)).modules.flatMap(({ declarations }) =>
    declarations.map(({ tagName, description, attributes, events, members }) => {
      const table = (head: string, rows: readonly string[]): string =>
        rows.length > 0
          ? `\n### ${tagName}: ${head}\n\n| name | type | what it does |\n| --- | --- | --- |\n${rows.join('\n')}\n`
          : ''
      const row = (name = '', type = '', about = ''): string =>
        `| \`${name}\` | ${type ? `\`${cell(type).replaceAll('&lt;', '<')}\`` : ''} | ${cell(about)} |`
      return [
        `## \`<${tagName}>\`\n\n${prose(description)}\n`,
        table(
          'attributes',
          attributes.map((one) => row(one.name, one.type?.text, one.description)),
        ),
        table(
          'events',
          events.map((one) => row(one.name, 'CustomEvent', one.description)),
        ),
        table(
          'properties and methods',
          members.map((one) =>
            row(one.kind === 'method' ? `${one.name}()` : one.name, one.type?.text, one.description),
          ),
        ),
      ].join('')
    }),
  )
  return `---\noutline: [2, 2]\n---\n\n# Elements\n\nFrom the custom-elements manifest, which the package has as \`authflow/custom-elements.json\`.\n\n${parts.join('\n')}`
}

/** Names and texts of all pages. */
export function referencePages(): Map<string, string> {
  const pages = new Map([['elements', elementsPage()]])
  for (const [key, target] of Object.entries(readManifest().exports)) {
    if (target === null || typeof target === 'string' || key.includes('*') || /\/(define|cdn)$/.test(key))
      continue
    const entries = [...exportsOf(join(root, target.types)).values()]
    const name = key.replace(/^\.\/?/, '').replaceAll('/', '-') || 'server'
    pages.set(
      name,
      pageOf(
        key.replace(/^\./, 'authflow'),
        entries.sort((a, b) => a.name.localeCompare(b.name)),
      ),
    )
  }
  return pages
}

/** The states of a flow and what may follow them, as a picture: one row for each, from the code's own table. */
function machinePart(): string {
  const states = Object.entries(transitions)
  const height = 34
  const row = (index: number): number => 30 + index * height
  const at = new Map(states.map(([name], index) => [name, index]))
  const column = (index: number): number => 150 + index * 44
  const lines = states.map(([name, next], index) => {
    const dots = next
      .map(
        (to) =>
          `<circle cx="${column(at.get(to) ?? 0)}" cy="${row(index)}" r="6"><title>${name} → ${to}</title></circle>`,
      )
      .join('')
    return `<line x1="140" x2="${column(states.length - 1) + 16}" y1="${row(index)}" y2="${row(index)}"/><text x="130" y="${row(index) + 4}" text-anchor="end">${name}</text>${dots}`
  })
  const heads = states.map(
    ([name], index) =>
      `<text transform="translate(${column(index) + 4},${row(states.length) + 4}) rotate(45)">${name}</text>`,
  )
  const size = `0 0 ${column(states.length) + 60} ${row(states.length) + 90}`
  return `<svg viewBox="${size}" role="img" aria-label="From each state on the left, a dot for each state at the bottom that may follow" style="fill:currentColor;font-size:13px">${lines.join('').replaceAll('<line', '<line stroke="currentColor" stroke-opacity=".2"')}${heads.join('')}</svg>\n`
}

if (import.meta.filename === process.argv[1]) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of referencePages()) writeFileSync(join(folder, `${name}.md`), text)
  writeFileSync(join(folder, 'machine.part'), machinePart())
  console.log(`${referencePages().size} pages in docs/reference`)
}

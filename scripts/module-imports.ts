// Reads what a TypeScript module imports, with oxc-parser: TypeScript 7 has no stable compiler API.

import { posix } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'

/** One import, re-export, dynamic import or `import()` type. */
export interface ModuleImport {
  /** As written: `./ids.ts`, `node:crypto`, `zod`. */
  readonly specifier: string
  /** Path relative to the repository when the specifier is relative. */
  readonly path?: string
  /** True when nothing of it is left at run time. */
  readonly typeOnly: boolean
  /** Names imported, `*` for the namespace, `default` for the default export; empty for a bare import. */
  readonly names: readonly string[]
  /** Line of the import, from 1. */
  readonly line: number
}

/**
 * Imports of a module in the order of the source.
 *
 * @param file path relative to the repository, with forward slashes
 * @throws {@link SyntaxError} when the source can't be parsed
 */
export function readImports(file: string, source: string): ModuleImport[] {
  const { module, program, errors } = parseSync(file, source)
  const fault = errors.find(({ severity }) => severity === 'Error')
  if (fault) throw new SyntaxError(`${file}: ${fault.message}`)
  const found: (Omit<ModuleImport, 'path' | 'line'> & { start: number })[] = []
  for (const { moduleRequest, entries, start } of module.staticImports) {
    const names = entries.map(({ importName }) => importNames[importName.kind] ?? importName.name ?? '*')
    const typeOnly = entries.length > 0 && entries.every(({ isType }) => isType)
    found.push({ specifier: moduleRequest.value, typeOnly, names, start })
  }
  for (const { entries, start } of module.staticExports) {
    const [first] = entries
    if (!first?.moduleRequest) continue
    const names = entries.map(({ importName }) => importName.name ?? '*')
    found.push({
      specifier: first.moduleRequest.value,
      typeOnly: entries.every(({ isType }) => isType),
      names,
      start,
    })
  }
  new Visitor({
    ImportExpression({ source: from, start }) {
      if (from.type !== 'Literal' || typeof from.value !== 'string') return
      found.push({ specifier: from.value, typeOnly: false, names: ['*'], start })
    },
    TSImportType({ source: from, start }) {
      found.push({ specifier: String(from.value), typeOnly: true, names: ['*'], start })
    },
  }).visit(program)
  return found
    .sort((a, b) => a.start - b.start)
    .map(({ start, ...rest }) => ({ ...rest, ...resolve(file, rest.specifier), line: lineOf(source, start) }))
}

const importNames: Readonly<Record<string, string>> = { NamespaceObject: '*', Default: 'default' }

function resolve(file: string, specifier: string): { path: string } | undefined {
  return specifier.startsWith('.') ? { path: posix.join(posix.dirname(file), specifier) } : undefined
}

/** Line number, from 1, of an offset. */
export const lineOf = (source: string, offset: number): number => source.slice(0, offset).split('\n').length

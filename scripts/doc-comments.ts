// Finds what a module exports without a doc comment, with oxc-parser. scripts/check-docs.ts applies it to everything
// that users can import.

import { posix } from 'node:path'
import { parseSync } from 'oxc-parser'
import type { Class, Comment, Program, PropertyKey as MemberKey, Statement, TSSignature } from 'oxc-parser'
import { lineOf } from './module-imports.ts'

/** Gives the source of a module of the repository; undefined when there is no such file. */
export type ReadSource = (file: string) => string | undefined

/** Something without a doc comment. */
export interface Undocumented {
  readonly file: string
  readonly line: number
  /** `Flow`, `Flow.stage`. */
  readonly name: string
}

interface Module {
  readonly file: string
  readonly source: string
  readonly program: Program
  readonly comments: readonly Comment[]
}

type Declaration = NonNullable<Extract<Statement, { type: 'ExportNamedDeclaration' }>['declaration']>

/**
 * Exports of the given modules, re-exports followed, and members of exported interfaces, object types and classes that
 * have no doc comment. Each is reported once, where it is declared. Left out: private, protected and overriding members,
 * members of an interface that the class implements, constructors without parameters, and what is marked `@internal`.
 */
export function findUndocumented(entries: readonly string[], readSource: ReadSource): Undocumented[] {
  const search = new Search(readSource)
  for (const entry of entries) search.visitAll(entry)
  return [...search.found.values()].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line)
}

class Search {
  readonly found = new Map<string, Undocumented>()
  readonly #modules = new Map<string, Module | undefined>()
  readonly #visited = new Set<string>()
  readonly #readSource: ReadSource

  constructor(readSource: ReadSource) {
    this.#readSource = readSource
  }

  /** Every export of a module. */
  visitAll(file: string): void {
    if (!this.#once(`${file}#*`)) return
    const module = this.#load(file)
    if (!module) throw new Error(`${file} does not exist, or is no TypeScript module`)
    for (const statement of module.program.body) {
      if (statement.type === 'ExportAllDeclaration') this.visitAll(resolve(file, statement.source.value))
      if (statement.type === 'ExportDefaultDeclaration') this.visit(file, 'default')
      if (statement.type !== 'ExportNamedDeclaration') continue
      for (const name of exportedNames(statement)) this.visit(file, name)
    }
  }

  /** One export of a module, by the name it has there. Names of packages are not ours to document. */
  visit(file: string, name: string): void {
    if (!this.#once(`${file}#${name}`)) return
    const module = this.#load(file)
    if (!module) return
    for (const statement of module.program.body) {
      if (statement.type === 'ExportNamedDeclaration') this.#visitNamed(module, statement, name)
      if (statement.type === 'ExportAllDeclaration' && statement.source.value.startsWith('.')) {
        this.visit(resolve(file, statement.source.value), name)
      }
      if (statement.type === 'ExportDefaultDeclaration' && name === 'default') {
        this.#require(module, statement.start, 'default')
      }
    }
  }

  #visitNamed(
    module: Module,
    statement: Extract<Statement, { type: 'ExportNamedDeclaration' }>,
    name: string,
  ): void {
    if (statement.declaration) {
      if (declaredNames(statement.declaration).includes(name)) {
        this.#judge(module, statement.declaration, statement.start, name)
      }
      return
    }
    const specifier = statement.specifiers.find(({ exported }) => textOf(exported) === name)
    if (!specifier) return
    const local = textOf(specifier.local)
    if (statement.source) {
      if (statement.source.value.startsWith('.'))
        this.visit(resolve(module.file, statement.source.value), local)
      return
    }
    this.#visitLocal(module, local)
  }

  // `export { local }`: declared in this module, or imported into it.
  #visitLocal(module: Module, local: string): void {
    for (const statement of module.program.body) {
      if (statement.type === 'ImportDeclaration' && statement.source.value.startsWith('.')) {
        const specifier = statement.specifiers.find((candidate) => candidate.local.name === local)
        if (specifier?.type === 'ImportSpecifier') {
          this.visit(resolve(module.file, statement.source.value), textOf(specifier.imported))
        }
      } else if (isDeclaration(statement) && declaredNames(statement).includes(local)) {
        this.#judge(module, statement, statement.start, local)
      }
    }
  }

  #judge(module: Module, declaration: Declaration, start: number, name: string): void {
    // The first overload's comment speaks for the others.
    if (/Function/.test(declaration.type) && !this.#once(`${module.file}#${name}()`)) return
    if (!this.#require(module, start, name)) return
    if (declaration.type === 'TSInterfaceDeclaration') this.#judgeMembers(module, declaration.body.body, name)
    if (
      declaration.type === 'TSTypeAliasDeclaration' &&
      declaration.typeAnnotation.type === 'TSTypeLiteral'
    ) {
      this.#judgeMembers(module, declaration.typeAnnotation.members, name)
    }
    if (declaration.type === 'ClassDeclaration') this.#judgeClass(module, declaration, name)
  }

  #judgeMembers(module: Module, members: readonly TSSignature[], owner: string): void {
    for (const member of members) {
      if (member.type === 'TSPropertySignature' || member.type === 'TSMethodSignature') {
        this.#require(module, member.start, `${owner}.${keyOf(member.key)}`)
      } else {
        this.#require(module, member.start, `${owner}()`)
      }
    }
  }

  #judgeClass(module: Module, declaration: Class, owner: string): void {
    const documented = new Set(this.#implemented(module, declaration).map((name) => `${owner}.${name}`))
    for (const member of declaration.body.body) {
      if (member.type !== 'MethodDefinition' && member.type !== 'PropertyDefinition') continue
      if (
        member.key.type === 'PrivateIdentifier' ||
        member.override ||
        hidden.has(member.accessibility ?? '')
      )
        continue
      const name = `${owner}.${keyOf(member.key)}`
      const isBareConstructor =
        member.type === 'MethodDefinition' &&
        member.kind === 'constructor' &&
        member.value.params.length === 0
      // A getter's comment speaks for its setter, and the first overload's for the others.
      if (isBareConstructor || documented.has(name)) continue
      documented.add(name)
      this.#require(module, member.start, name)
    }
  }

  // The comments of an interface speak for the classes that implement it.
  #implemented(module: Module, declaration: Class): string[] {
    return (declaration.implements ?? []).flatMap(({ expression }) =>
      expression.type === 'Identifier' ? this.#memberNames(module, expression.name) : [],
    )
  }

  /** Members of an interface of the module, or of one that it imports from ours. */
  #memberNames(module: Module, name: string): string[] {
    for (const statement of module.program.body) {
      const found = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
      if (found?.type === 'TSInterfaceDeclaration' && found.id.name === name) {
        return found.body.body.flatMap((member) => ('key' in member ? [keyOf(member.key)] : []))
      }
      if (statement.type !== 'ImportDeclaration' || !statement.source.value.startsWith('.')) continue
      const specifier = statement.specifiers.find(({ local }) => local.name === name)
      const from = this.#load(resolve(module.file, statement.source.value))
      if (specifier?.type === 'ImportSpecifier' && from)
        return this.#memberNames(from, textOf(specifier.imported))
    }
    return []
  }

  /** Reports what has no doc comment right before it. False when it is marked `@internal`. */
  #require(module: Module, start: number, name: string): boolean {
    const before = module.source.slice(0, start).trimEnd()
    const comment = module.comments.find(({ type, end }) => type === 'Block' && end === before.length)
    if (comment?.value.startsWith('*')) {
      if (comment.value.includes('@internal')) return false
      if (/[\p{L}`{(]/u.test(comment.value)) return true
    }
    const line = lineOf(module.source, start)
    this.found.set(`${module.file}:${line}:${name}`, { file: module.file, line, name })
    return true
  }

  #once(key: string): boolean {
    if (this.#visited.has(key)) return false
    this.#visited.add(key)
    return true
  }

  #load(file: string): Module | undefined {
    if (!this.#modules.has(file)) {
      const source = this.#readSource(file)
      const parsed = source === undefined ? undefined : parseSync(file, source)
      this.#modules.set(
        file,
        source === undefined || !parsed
          ? undefined
          : { file, source, program: parsed.program, comments: parsed.comments },
      )
    }
    return this.#modules.get(file)
  }
}

const hidden = new Set(['private', 'protected'])

const resolve = (file: string, specifier: string): string => posix.join(posix.dirname(file), specifier)

const textOf = (node: { type: string; name?: string; value?: unknown }): string =>
  node.name ?? String(node.value)

function keyOf(key: MemberKey): string {
  if (key.type === 'Identifier') return key.name
  return key.type === 'Literal' ? String(key.value) : '[computed]'
}

function isDeclaration(statement: Statement): statement is Statement & Declaration {
  return /^(TS(Interface|TypeAlias|Enum)|Class|Function|Variable)Declaration$|^TSDeclareFunction$/.test(
    statement.type,
  )
}

function declaredNames(declaration: Declaration): string[] {
  if (declaration.type === 'VariableDeclaration') {
    return declaration.declarations.flatMap(({ id }) => (id.type === 'Identifier' ? [id.name] : []))
  }
  return 'id' in declaration && declaration.id?.type === 'Identifier' ? [declaration.id.name] : []
}

function exportedNames(statement: Extract<Statement, { type: 'ExportNamedDeclaration' }>): string[] {
  if (statement.declaration) return declaredNames(statement.declaration)
  return statement.specifiers.map(({ exported }) => textOf(exported))
}

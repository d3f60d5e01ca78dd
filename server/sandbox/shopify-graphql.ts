// Enough GraphQL for the stand-in Shopify: one operation with variables, aliases, arguments and nested fields, run over
// plain objects. No fragments, no directives, no introspection: those are refused by name.

/** A value as arguments and variables have it. */
export type GraphValue = string | number | boolean | null | GraphValue[] | { [name: string]: GraphValue }

/** What a query runs over: functions take the field's arguments. */
export interface GraphObject {
  readonly [field: string]: GraphNode | ((args: Readonly<Record<string, GraphValue>>) => GraphNode)
}

/** A value of a field. */
export type GraphNode = string | number | boolean | null | GraphObject | readonly GraphNode[]

/** What the server says about a query it can't run. */
export class GraphError extends Error {
  override readonly name = 'GraphError'
  /** `undefinedField`, `ACCESS_DENIED`, `THROTTLED`, … */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

interface Selection {
  readonly name: string
  readonly alias: string
  readonly args: readonly (readonly [string, Literal])[]
  readonly fields: readonly Selection[] | undefined
}

type Literal =
  | { readonly kind: 'value'; readonly value: GraphValue }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Literal[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Literal])[] }

interface Operation {
  readonly kind: 'query' | 'mutation'
  readonly defaults: ReadonlyMap<string, Literal>
  readonly fields: readonly Selection[]
}

const tokenPattern =
  /\s+|,|#[^\n]*|(\.\.\.|[!$():=@[\]{|}]|[_A-Za-z]\w*|-?\d+(?:\.\d+)?|"(?:[^"\\\n]|\\.)*")/gy

function tokenise(text: string): string[] {
  const tokens: string[] = []
  tokenPattern.lastIndex = 0
  let end = 0
  for (let match = tokenPattern.exec(text); match; match = tokenPattern.exec(text)) {
    end = tokenPattern.lastIndex
    if (match[1] !== undefined) tokens.push(match[1])
  }
  if (end !== text.length) throw new GraphError('parse_error', `syntax error at ${end}`)
  return tokens
}

/** Recursive descent over the tokens; each method eats what it reads. */
class Parser {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = tokenise(text)
  }

  operation(): Operation {
    const first = this.#peek()
    if (first === '{') return { kind: 'query', defaults: new Map(), fields: this.#selectionSet() }
    if (first !== 'query' && first !== 'mutation')
      throw new GraphError('parse_error', `unexpected ${first ?? 'end'}`)
    this.#next()
    if (this.#peek() !== '{' && this.#peek() !== '(') this.#next()
    const defaults = this.#peek() === '(' ? this.#variables() : new Map<string, Literal>()
    const operation: Operation = { kind: first, defaults, fields: this.#selectionSet() }
    if (this.#peek() !== undefined) throw new GraphError('parse_error', 'one operation only')
    return operation
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at]
  }

  #next(): string {
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw new GraphError('parse_error', 'unexpected end')
    return token
  }

  #expect(token: string): void {
    const found = this.#next()
    if (found !== token) throw new GraphError('parse_error', `expected ${token}, got ${found}`)
  }

  #variables(): Map<string, Literal> {
    const defaults = new Map<string, Literal>()
    this.#expect('(')
    while (this.#peek() !== ')') {
      this.#expect('$')
      const name = this.#next()
      this.#expect(':')
      while (this.#peek() === '[') this.#next()
      this.#next()
      while (this.#peek() === '!' || this.#peek() === ']') this.#next()
      if (this.#peek() !== '=') continue
      this.#next()
      defaults.set(name, this.#literal())
    }
    this.#expect(')')
    return defaults
  }

  #selectionSet(): Selection[] {
    const fields: Selection[] = []
    this.#expect('{')
    while (this.#peek() !== '}') fields.push(this.#selection())
    this.#expect('}')
    return fields
  }

  #selection(): Selection {
    const first = this.#next()
    if (first === '...' || first === '@')
      throw new GraphError('parse_error', 'the stand-in knows no fragments and no directives')
    let name = first
    if (this.#peek() === ':') {
      this.#next()
      name = this.#next()
    }
    const args = this.#peek() === '(' ? this.#arguments() : []
    return { name, alias: first, args, fields: this.#peek() === '{' ? this.#selectionSet() : undefined }
  }

  #arguments(): (readonly [string, Literal])[] {
    const args: (readonly [string, Literal])[] = []
    this.#expect('(')
    while (this.#peek() !== ')') args.push(this.#member())
    this.#expect(')')
    return args
  }

  #member(): readonly [string, Literal] {
    const name = this.#next()
    this.#expect(':')
    return [name, this.#literal()]
  }

  #literal(): Literal {
    const token = this.#next()
    if (token === '$') return { kind: 'variable', name: this.#next() }
    if (token === '[') {
      const items: Literal[] = []
      while (this.#peek() !== ']') items.push(this.#literal())
      this.#expect(']')
      return { kind: 'list', items }
    }
    if (token === '{') {
      const members: (readonly [string, Literal])[] = []
      while (this.#peek() !== '}') members.push(this.#member())
      this.#expect('}')
      return { kind: 'object', members }
    }
    if (
      token.startsWith('"') ||
      /^-?\d/.test(token) ||
      token === 'true' ||
      token === 'false' ||
      token === 'null'
    ) {
      const value: GraphValue = JSON.parse(token)
      return { kind: 'value', value }
    }
    // An enum value travels as its name.
    return { kind: 'value', value: token }
  }
}

type Variables = Readonly<Record<string, GraphValue>>

function resolve(literal: Literal, variables: Variables, defaults: ReadonlyMap<string, Literal>): GraphValue {
  switch (literal.kind) {
    case 'value':
      return literal.value
    case 'list':
      return literal.items.map((item) => resolve(item, variables, defaults))
    case 'object':
      return Object.fromEntries(
        literal.members.map(([name, member]) => [name, resolve(member, variables, defaults)]),
      )
    case 'variable': {
      const given = variables[literal.name]
      if (given !== undefined) return given
      const fallback = defaults.get(literal.name)
      return fallback ? resolve(fallback, variables, defaults) : null
    }
  }
}

/**
 * Runs a query or mutation over the roots.
 *
 * @throws {@link GraphError} `parse_error`, `undefinedField`, and what the fields throw
 */
export function runGraph(
  text: string,
  variables: Variables,
  roots: { query: GraphObject; mutation: GraphObject },
): Record<string, GraphNode> {
  const operation = new Parser(text).operation()
  const select = (source: GraphObject, fields: readonly Selection[]): Record<string, GraphNode> => {
    const result: Record<string, GraphNode> = {}
    for (const field of fields) result[field.alias] = read(source, field)
    return result
  }
  const read = (source: GraphObject, field: Selection): GraphNode => {
    const found = Object.hasOwn(source, field.name) ? source[field.name] : undefined
    if (found === undefined) throw new GraphError('undefinedField', `Field '${field.name}' doesn't exist`)
    const args = Object.fromEntries(
      field.args.map(([name, value]) => [name, resolve(value, variables, operation.defaults)]),
    )
    return narrow(typeof found === 'function' ? found(args) : found, field)
  }
  const narrow = (node: GraphNode, field: Selection): GraphNode => {
    if (isList(node)) return node.map((item) => narrow(item, field))
    if (node === null || typeof node !== 'object') return node
    if (!field.fields) throw new GraphError('selectionMismatch', `Field '${field.name}' must have selections`)
    return select(node, field.fields)
  }
  return select(roots[operation.kind], operation.fields)
}

const isList = (node: GraphNode): node is readonly GraphNode[] => Array.isArray(node)

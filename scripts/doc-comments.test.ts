import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findUndocumented } from './doc-comments.ts'

/** Names without a doc comment when users can import `a.ts`. */
function namesIn(files: Readonly<Record<string, string>>): string[] {
  return findUndocumented(['a.ts'], (file) => files[file]).map(
    ({ file, line, name }) => `${file}:${line} ${name}`,
  )
}

describe('findUndocumented', () => {
  it('accepts documented exports of every kind', () => {
    const source = `
/** Size in bytes. */
export const size = 1
/** Adds. */
export function add(a: number): number
export function add(a: string): string
export function add(a: unknown): unknown { return a }
/** A shape. */
export interface Shape {
  /** Across. */
  readonly width: number
  /** Draws. */
  draw(): void
}
/** A box. */
export class Box {
  #secret = 1
  /** Wide. */
  width = 1
  constructor() {}
  override toString(): string { return '' }
  /** Opens. */
  get open(): boolean { return true }
  set open(value: boolean) {}
}
const hidden = 1
`
    assert.deepEqual(namesIn({ 'a.ts': source }), [])
  })

  it('reports exports, members of interfaces, object types and classes with their lines', () => {
    const source = `export const size = 1
export type Options = {
  name: string
}
// not a doc comment
export interface Shape {
  width: number
  draw(): void
  (): void
}
/** A box. */
export class Box { width = 1; constructor(a: number) {} }
/** */
export function empty() {}
export default class {}
`
    assert.deepEqual(namesIn({ 'a.ts': source }), [
      'a.ts:1 size',
      'a.ts:2 Options',
      'a.ts:3 Options.name',
      'a.ts:6 Shape',
      'a.ts:7 Shape.width',
      'a.ts:8 Shape.draw',
      'a.ts:9 Shape()',
      'a.ts:12 Box.width',
      'a.ts:12 Box.constructor',
      'a.ts:14 empty',
      'a.ts:15 default',
    ])
  })

  it('follows re-exports to where a name is declared, and reports it once', () => {
    const files = {
      'a.ts': `export * from './b/b.ts'\nexport { one as first, type Two } from './b/c.ts'\nexport { z } from 'zod'`,
      'b/b.ts': `import { three } from './c.ts'\nimport { four } from 'zod'\nexport { three, four }\nconst five = 5\nexport { five }`,
      'b/c.ts': `export const one = 1\nexport type Two = 2\nexport const three = 3\nexport const unused = 4`,
    }
    assert.deepEqual(namesIn(files), ['b/b.ts:4 five', 'b/c.ts:1 one', 'b/c.ts:2 Two', 'b/c.ts:3 three'])
  })

  it('takes the comments of an interface for the class that implements it', () => {
    const box =
      'import type { Open } from "./b.ts"\n/** A box. */\nexport class Box implements Open { open() {} shut() {} protected lock() {} }'
    const files = { 'a.ts': box, 'b.ts': 'export interface Open { /** Opens. */ open(): void }' }
    assert.deepEqual(namesIn(files), ['a.ts:3 Box.shut'])
  })

  it('leaves out what is internal', () => {
    assert.deepEqual(namesIn({ 'a.ts': '/** For tests. @internal */\nexport interface Inner { a: 1 }' }), [])
  })

  it('throws for an entry point that does not exist', () => {
    assert.throws(() => namesIn({}), /a\.ts does not exist/)
  })
})

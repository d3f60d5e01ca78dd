// Holds docs/defects.md, docs/reliability.md and the table of docs/security.md to the tests that they name, and
// docs/operations.md to the sets there are.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { allSets } from './sealed-sets.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const defects = 50

interface Row {
  readonly id: string
  readonly tests: readonly { readonly path: string; readonly title: string }[]
}

/** Rows whose first cell is such an id; each test is a path in back quotes, a colon, and a part of a title. */
function rowsOf(page: string, id: RegExp): Row[] {
  const lines = readFileSync(join(root, 'docs', page), 'utf8').split('\n')
  return lines.flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim())
    const [, name = ''] = cells
    const last = cells.at(-2) ?? ''
    // Other tables of the page have figures alone.
    if (!id.test(name) || !last.startsWith('`')) return []
    const tests = last.split('; ').map((test) => {
      const [, path = '', title = ''] = /^`([^`]+)`(?:: (.*))?$/.exec(test) ?? []
      return { path, title }
    })
    return [{ id: name, tests }]
  })
}

/** Where a path of a table lies. */
const fileOf = (path: string): string => join(root, path.startsWith('conformance/') ? '' : 'server', path)

/** What stands first in the calls of `it` and `describe` of a file: their titles, as they are written. */
function titlesOf(file: string): string[] {
  const calls = readFileSync(file, 'utf8').matchAll(
    /\b(?:it|describe)(?:\.\w+)?\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g,
  )
  return [...calls].map(([, single, double, template]) => single ?? double ?? template ?? '')
}

/** What is wrong with the tests that a row names. */
function wrongIn({ id, tests }: Row): string[] {
  return tests.flatMap(({ path, title }) => {
    const file = fileOf(path)
    if (path === '' || !existsSync(file)) return [`${id}: no file ${path}`]
    return titlesOf(file).some((one) => one.includes(title)) ? [] : [`${id}: ${path} has no test «${title}»`]
  })
}

describe('docs/defects.md', () => {
  const rows = rowsOf('defects.md', /^P\d+$/)

  it('has a row for each of the fifty', () => {
    const expected = Array.from({ length: defects }, (_, index) => `P${index + 1}`)
    assert.deepEqual(
      rows.map(({ id }) => id),
      expected,
    )
  })

  it('names tests that there are', () => {
    assert.deepEqual(rows.flatMap(wrongIn), [])
    for (const { tests } of rows) for (const { title } of tests) assert.notEqual(title, '')
  })
})

describe('docs/security.md', () => {
  /** What the bench alone shows. */
  const measuredOnly = ['B8']
  const counts = { A: 14, B: 9, C: 7, D: 7, E: 4, F: 4, H: 3 }
  const lines = readFileSync(join(root, 'docs/security.md'), 'utf8').split('\n')
  const rows = lines.flatMap((line) => {
    const [, ids = '', tests = ''] = line.split('|').map((cell) => cell.trim())
    if (!/^[A-Z]\d+(, [A-Z]\d+)*$/.test(ids)) return []
    const paths = [...tests.matchAll(/`([^`]+\.ts)`/g)].map(([, path = '']) => fileOf(path))
    return ids.split(', ').map((id) => ({ id, paths }))
  })

  it('has a row for each requirement', () => {
    const expected = Object.entries(counts).flatMap(([letter, count]) =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
    )
    const missing = expected.filter((id) => rows.every((row) => row.id !== id))
    assert.deepEqual(missing, [])
  })

  it('names files that there are, and one of each row has a test of that name', () => {
    const wrong = rows.flatMap(({ id, paths }) => {
      const gone = paths.filter((path) => !existsSync(path))
      if (gone.length > 0) return [`${id}: no file ${gone.join(', ')}`]
      const name = new RegExp(`\\b(describe|it)\\(\\s*['"\`][^'"\`]*\\b${id}\\b`)
      if (measuredOnly.includes(id) || paths.some((path) => name.test(readFileSync(path, 'utf8')))) return []
      return [`${id}: no test bears its name`]
    })
    assert.deepEqual(wrong, [])
  })
})

describe('docs/operations.md', () => {
  it('says of each set how it is sharded', () => {
    const page = readFileSync(join(root, 'docs/operations.md'), 'utf8')
    const isThere = (name: string): boolean =>
      page.includes(`\`set_${name}\``) || (name.startsWith('vault_') && page.includes('`set_vault_…`'))
    assert.deepEqual(
      allSets.map(({ name }) => name).filter((name) => !isThere(name)),
      [],
    )
  })

  it('is not content with code of a test', () => {
    const row = (title: string): Row => ({ id: 'P0', tests: [{ path: 'proof-docs.test.ts', title }] })
    assert.deepEqual(wrongIn(row('is not content with code')), [])
    for (const title of ['readFileSync', "describe('docs/defects.md'"])
      assert.deepEqual(wrongIn(row(title)), [`P0: proof-docs.test.ts has no test «${title}»`])
  })
})

describe('docs/reliability.md', () => {
  const rows = rowsOf('reliability.md', /^X\d+$/)

  it('has a row for each of the eighteen', () => {
    const expected = Array.from({ length: 18 }, (_, index) => `X${index + 1}`)
    assert.deepEqual(
      rows.map(({ id }) => id),
      expected,
    )
  })

  it('names tests that there are', () => {
    assert.deepEqual(rows.flatMap(wrongIn), [])
  })
})

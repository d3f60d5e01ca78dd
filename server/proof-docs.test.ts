// Holds docs/defects.md and docs/reliability.md to the tests that they name.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

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
    if (!id.test(name)) return []
    const tests = last.split('; ').map((test) => {
      const [, path = '', title = ''] = /^`([^`]+)`(?:: (.*))?$/.exec(test) ?? []
      return { path, title }
    })
    return [{ id: name, tests }]
  })
}

/** What is wrong with the tests that a row names. */
function wrongIn({ id, tests }: Row): string[] {
  return tests.flatMap(({ path, title }) => {
    const file = join(root, path.startsWith('conformance/') ? '' : 'server', path)
    if (path === '' || !existsSync(file)) return [`${id}: no file ${path}`]
    return readFileSync(file, 'utf8').includes(title) ? [] : [`${id}: ${path} has no «${title}»`]
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

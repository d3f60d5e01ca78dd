import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { errorTable } from '../shared/errors.ts'
import { errorsPage, errorsPagePath, readSections } from './errors-page.ts'
import { root } from './source-files.ts'

describe('docs/errors.md', () => {
  it('is what `npm run docs:errors` writes', () => {
    assert.equal(readFileSync(join(root, errorsPagePath), 'utf8'), errorsPage())
  })

  it('has one row for each code that links may name, with its status and its help', () => {
    const rows = errorsPage()
      .split('\n')
      .filter((line) => line.startsWith('| <a id='))
    assert.equal(rows.length, Object.keys(errorTable).length)
    for (const [code, { status, help }] of Object.entries(errorTable)) {
      assert.ok(
        rows.some(
          (row) => row.startsWith(`| <a id="${code}"></a>\`${code}\` | ${status} |`) && row.includes(help),
        ),
        code,
      )
    }
  })
})

describe('readSections', () => {
  it('begins a section at each comment of the table', () => {
    const source =
      'export const errorTable = {\n  // Calls\n  not_found: row(404),\n  // Jobs\n  unknown_job: row(404),\n} as const satisfies'
    assert.deepEqual(readSections(source), [
      { title: 'Calls', codes: ['not_found'] },
      { title: 'Jobs', codes: ['unknown_job'] },
    ])
  })
})

describe('the error table', () => {
  it('says in every row what to do, as a sentence', () => {
    for (const [code, { help, status }] of Object.entries(errorTable)) {
      assert.match(help, /^[A-Z`].*\.$/, code)
      assert.ok(status >= 400 && status < 600, code)
    }
  })
})

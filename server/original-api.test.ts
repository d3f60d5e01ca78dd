// Holds docs/original-api.md to what the package exports: each name in the second column is there.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const server = fileURLToPath(new URL('.', import.meta.url))
const page = readFileSync(join(server, '../docs/original-api.md'), 'utf8')
const sources = readdirSync(server, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/\.test\.ts$|fixtures\//.test(file))
  .map((file) => readFileSync(join(server, file), 'utf8'))
const exported = new Set(readFileSync(join(server, 'index.ts'), 'utf8').match(/\w+/g))

interface Row {
  readonly original: string
  readonly here: string
  readonly why: string
}

const rows: readonly Row[] = page.split('\n').flatMap((line) => {
  if (!line.startsWith('|') || /^\|\s*(?:-|original\s*\|)/.test(line)) return []
  const [, original = '', here = '', why = ''] = line.split(/(?<!\\)\|/).map((cell) => cell.trim())
  return [{ original, here, why }]
})

/** True when the source declares the type, class, function or value, and it or what it extends has the member. */
function declares(type: string, member: string | undefined): boolean {
  const start = new RegExp(`export (?:abstract )?(?:interface|class|type|const|function) ${type}\\b`)
  const source = sources.find((text) => start.test(text))
  if (source === undefined || member === undefined) return source !== undefined
  const from = source.slice(source.search(start))
  const [text = ''] = from.split('\n}\n')
  if (new RegExp(`^  (?:readonly |async )?${member}[?:(<]`, 'm').test(text)) return true
  const [, base] = /^[^{]*\bextends (\w+)/.exec(text) ?? []
  return base !== undefined && declares(base, member)
}

/** True when the package exports it. */
function isThere(name: string): boolean {
  const [type = '', member] = name.split('.')
  return exported.has(type) && declares(type, member)
}

describe('docs/original-api.md', () => {
  it('has a reason or a difference in every row', () => {
    assert.ok(rows.length > 70, `${rows.length} rows`)
    for (const { original, here, why } of rows) {
      assert.notEqual(original, '')
      assert.match(here, /^none$|`/, original)
      assert.ok(why.length >= 'There.'.length, original)
    }
  })

  it('names what is exported', () => {
    const names = rows.flatMap(({ here }) => [...here.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name))
    assert.ok(names.length > 70, `${names.length} names`)
    assert.deepEqual(
      names.filter((name) => !isThere(name)),
      [],
    )
  })

  it('does not take a name for exported that is not', () => {
    assert.deepEqual(['Nothing', 'IO.nothing', 'IO.runTask', 'IO.invoke'].map(isThere), [
      false,
      false,
      true,
      true,
    ])
  })
})

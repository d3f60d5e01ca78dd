// D4: every regular expression of ours, and those of every integration's fields, held against an analyser of their worst
// case. A pattern that somebody else's input can make slow is a way to stop the server.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parseSync, Visitor } from 'oxc-parser'
import { check } from 'recheck'
import { z } from 'zod'
import { printFigure } from '../scripts/figure.ts'
import { isTestFile, listFiles, root } from '../scripts/source-files.ts'
import { defineFields } from '../server/integrations/field-set.ts'
import { scanPattern } from '../server/integrations/pattern-scan.ts'
import { fieldSets } from './all-integrations.ts'

interface Found {
  readonly place: string
  readonly source: string
  readonly flags: string
}

const fields = fieldSets.flatMap(({ place, fields: set }) =>
  set.form.map((field) => ({ place: `${place} ${field.name}`, field, set })),
)

/** The literals of a source file. */
function literalsOf(path: string): Found[] {
  const found: Found[] = []
  const { program } = parseSync(path, readFileSync(join(root, path), 'utf8'))
  new Visitor({
    Literal(node) {
      if ('regex' in node && node.regex) {
        found.push({ place: path, source: node.regex.pattern, flags: node.regex.flags })
      }
    },
  }).visit(program)
  return found
}

/** Patterns of other shapes than an automaton's are tried by chance, and a busy machine runs out of time: once more. */
const triesOfUnknown = 3

async function verdictOn({ source, flags }: Found): Promise<string> {
  let status = 'unknown'
  for (let tries = 0; tries < triesOfUnknown && status === 'unknown'; tries += 1) {
    status = (await check(source, flags, { timeout: 30_000 })).status
  }
  return status
}

async function verdictsOn(patterns: readonly Found[]): Promise<string[]> {
  const bad: string[] = []
  for (const found of patterns) {
    const status = await verdictOn(found)
    if (status !== 'safe') bad.push(`${status}: ${found.place} /${found.source}/${found.flags}`)
  }
  return bad
}

/** Patterns that modules of ours put together as they are loaded. */
async function constructed(): Promise<Found[]> {
  const found: Found[] = []
  const Plain = RegExp
  globalThis.RegExp = new Proxy(Plain, {
    construct(target, [source, flags = '']: [string | RegExp, string?], maker) {
      const made: RegExp = Reflect.construct(target, [source, flags], maker)
      const caller = new Error().stack?.split('\n')[2] ?? ''
      if (!caller.includes('node_modules') && caller.includes(root)) {
        found.push({ place: 'put together', source: made.source, flags: made.flags })
      }
      return made
    },
  })
  try {
    // Not loaded by anything above, so that they are loaded now.
    await Promise.all([import('../server/vault/scrub-text.ts'), import('../server/vault/envelope.ts')])
  } finally {
    globalThis.RegExp = Plain
  }
  return found
}

describe('D4: patterns', { timeout: 600_000 }, () => {
  it('of the fields of every integration are anchored and safe', async () => {
    const patterns = fields.flatMap(({ place, field }): Found[] => {
      const { pattern } = field.schema
      return pattern === undefined ? [] : [{ place, source: pattern, flags: 'u' }]
    })
    assert.ok(patterns.length > 0)
    for (const { place, source } of patterns)
      assert.equal(scanPattern(new RegExp(source, 'u')), undefined, place)
    assert.deepEqual(await verdictsOn(patterns), [])
    printFigure({
      requirement: 'D4',
      name: 'field patterns, vulnerable or unknown',
      value: `0 of ${patterns.length}`,
    })
  })

  it('of our own code are safe', async () => {
    const files = listFiles(['shared', 'server', 'ui'], ['.ts']).filter((path) => !isTestFile(path))
    const unique = new Map(
      files.flatMap(literalsOf).map((found) => [`${found.source}/${found.flags}`, found]),
    )
    const together = await constructed()
    assert.ok(together.length >= 4, 'what is put together is found')
    const patterns = [...unique.values(), ...together]
    assert.ok(patterns.length > 50, 'the literals are found')
    assert.deepEqual(await verdictsOn(patterns), [])
    printFigure({
      requirement: 'D4',
      name: 'own patterns, vulnerable or unknown',
      value: `0 of ${patterns.length}`,
    })
  })

  it('that are slow are seen by the analyser, and what is not anchored is refused', async () => {
    assert.equal((await verdictsOn([{ place: 'here', source: '^(a+)+$', flags: '' }])).length, 1)
    const loose = z.object({
      shop: z
        .string()
        .regex(/myshopify\.com/)
        .meta({ title: 'Shop' }),
    })
    assert.throws(() => defineFields(loose), { code: 'invalid_option' })
  })
})

describe('D4: a value of 100 KB', () => {
  /** What brings patterns and steps to their worst: long runs of what they take, and of what they strip. */
  const units = [
    'a',
    '-',
    'a-',
    '.',
    ' ',
    '/',
    'https://',
    '.myshopify.com',
    '1',
    '_',
    '😀',
    'K',
    'İ',
    '@',
    ':',
  ]

  it('is judged by every field in bounded work', () => {
    let longest = 0
    for (const { field, set } of fields) {
      for (const unit of units) {
        for (const end of ['', '!', '\n', '.myshopify.com']) {
          const value = unit.repeat(Math.ceil(100_000 / unit.length)) + end
          const from = performance.now()
          const errors = set
            .parse({ [field.name]: value })
            .errors.filter((error) => error.field === field.name)
          longest = Math.max(longest, performance.now() - from)
          assert.equal(errors.length, 1, `${field.name} takes 100 KB`)
        }
      }
    }
    printFigure({
      requirement: 'D4',
      name: 'judging a value of 100 KB, longest',
      value: Number(longest.toFixed(2)),
      unit: 'ms',
    })
  })
})

// F4: signatures are compared in constant time. No part that sees webhooks compares one with an operator.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parseSync, Visitor } from 'oxc-parser'
import { isTestFile, listFiles, root } from '../../scripts/source-files.ts'

const secretName = /signature|hmac|digest|\bmac\b|secret|token$/i
const operators = new Set(['===', '!==', '==', '!='])

/** Comparisons of something that is named like a signature, as `line: text`. */
function comparisonsIn(file: string, source: string): string[] {
  const found: string[] = []
  const { program } = parseSync(file, source)
  new Visitor({
    BinaryExpression(node) {
      if (!operators.has(node.operator)) return
      const sides = [node.left, node.right]
      // Whether there is one at all, and of which kind a source is, tells nobody anything.
      const isPlain = sides.some(
        ({ type, start, end }) => type === 'Literal' || source.slice(start, end) === 'undefined',
      )
      if (isPlain || !sides.some(({ start, end }) => secretName.test(source.slice(start, end)))) return
      const line = source.slice(0, node.start).split('\n').length
      found.push(`${file}:${line} ${source.slice(node.start, node.end)}`)
    },
  }).visit(program)
  return found
}

describe('F4: comparing signatures', () => {
  it('finds one that is compared with an operator', () => {
    assert.equal(comparisonsIn('x.ts', 'if (given.signature !== expected) throw 1').length, 1)
    assert.equal(comparisonsIn('x.ts', 'const ok = hmac(key) == header').length, 1)
    assert.equal(comparisonsIn('x.ts', "if (signature === undefined || kind === 'own') throw 1").length, 0)
  })

  it('is done in constant time wherever requests of providers are judged', () => {
    const files = listFiles(
      ['connect', 'http', 'integrations', 'jobs', 'oauth', 'triggers', 'vault'].map(
        (name) => `server/${name}`,
      ),
      ['.ts'],
    ).filter((file) => !isTestFile(file) && !file.includes('fixtures'))
    assert(files.length > 50)
    const found = files.flatMap((file) => comparisonsIn(file, readFileSync(join(root, file), 'utf8')))
    // A number that counts a slot's holders, no secret.
    assert.deepEqual(
      found.filter((comparison) => !comparison.endsWith(' row?.holders[again.id] !== token')),
      [],
    )
  })
})

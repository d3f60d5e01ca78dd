import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { scanPattern } from './pattern-scan.ts'

describe('scanPattern', () => {
  it('takes patterns that mean the same on both sides', () => {
    for (const pattern of [
      /^[a-z0-9][a-z0-9-]{0,59}\.myshopify\.com$/,
      /^xoxb-[A-Za-z0-9-]+$/,
      /^(?:a|b)$/,
      /^.+$/u,
      /^[^/]+$/u,
      /^\p{L}+$/u,
      /^https:\/\/x$/,
      /^a\\$/,
      /^[|()[\]$^.]$/u,
      /^(?!-)[a-z-]+$/,
    ]) {
      assert.equal(scanPattern(pattern), undefined, String(pattern))
    }
  })

  it('refuses what is not anchored at both ends', () => {
    for (const pattern of [
      /a/,
      /^a/,
      /a$/,
      /^a\$/,
      /^a\\\$/,
      /^a|b$/,
      /^a$|^b$/,
      /(^a$)/,
      /^[a$]/,
      /^(?:a|b$)/,
    ]) {
      assert.match(scanPattern(pattern) ?? '', /must be anchored/, String(pattern))
    }
  })

  it('refuses flags that the browser does not get', () => {
    for (const pattern of [/^a$/i, /^a$/m, /^a$/s, /^a$/g, /^a$/y, /^a$/iu]) {
      assert.match(scanPattern(pattern) ?? '', /has the flags/, String(pattern))
    }
  })

  it('asks for the flag u where it makes a difference', () => {
    for (const pattern of [/^.$/, /^[^a]$/, /^\W$/, /^\S+$/, /^\D$/, /^é$/, /^\u00e9$/, /^[a\S]$/]) {
      assert.match(scanPattern(pattern) ?? '', /needs the flag `u`/, String(pattern))
    }
    assert.match(scanPattern(new RegExp('^\\_$')) ?? '', /is not valid with the flag `u`/)
  })

  it('takes no pattern without u that matches anything else with it', () => {
    const piece = fc.constantFrom(
      'a',
      '[a-z]',
      '\\d',
      '\\w*',
      '\\s',
      '(?:a|b)+',
      '\\.',
      '[-.]',
      '.',
      '[^a]',
      '\\S',
      '\\W{1,2}',
      '(?=a)',
      '(?!b)',
      '\\b',
      '\\B',
    )
    const value = fc.string({
      unit: fc.constantFrom('a', 'b', '1', ' ', '.', '-', '😀', '\ud83d', '\ude00'),
      maxLength: 6,
    })
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), value, (pieces, text) => {
        const pattern = new RegExp(`^${pieces.join('')}$`)
        if (scanPattern(pattern) !== undefined) return
        assert.equal(
          pattern.test(text),
          new RegExp(pattern.source, 'u').test(text),
          `${pattern} ${JSON.stringify(text)}`,
        )
      }),
      { numRuns: 800 },
    )
  })
})

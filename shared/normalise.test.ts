import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { maxNormaliseLength, normalise, type NormaliseStep } from './normalise.ts'

/** Text of any UTF-16 units, halves of characters too. */
const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff)), { maxLength })
    .map((units) => String.fromCharCode(...units))

const hostSteps: readonly NormaliseStep[] = [
  'trim',
  'lower',
  'stripScheme',
  'stripPath',
  'stripTrailingDot',
  ['addSuffix', '.example.com'],
]

const plainStep = fc.constantFrom<NormaliseStep>(
  'trim',
  'lower',
  'stripScheme',
  'stripPath',
  'stripTrailingDot',
)
const text = fc.oneof(
  anyText(40),
  fc
    .array(
      fc.constantFrom(
        'https://',
        'HTTP://',
        '/',
        '?',
        '#',
        '.',
        ' ',
        '\n',
        'a',
        'É',
        'İ',
        'Σ',
        '.com',
        'https:',
        '\ud800',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
)

describe('normalise', () => {
  it('runs each step as named', () => {
    const cases: [value: string, step: NormaliseStep, result: string][] = [
      ['  a b\n', 'trim', 'a b'],
      ['\uFEFFa\u00a0', 'trim', 'a'],
      ['AbÉ', 'lower', 'abé'],
      ['https://a/b', 'stripScheme', 'a/b'],
      ['HTTP://https://a', 'stripScheme', 'a'],
      ['ftp://a', 'stripScheme', 'ftp://a'],
      ['a.b/c/d', 'stripPath', 'a.b'],
      ['a?b/c', 'stripPath', 'a'],
      ['a#b\nc', 'stripPath', 'a'],
      ['a.b...', 'stripTrailingDot', 'a.b'],
      ['a', ['addSuffix', '.x.y'], 'a.x.y'],
      ['a.x.y', ['addSuffix', '.x.y'], 'a.x.y'],
      ['evil.com', ['addSuffix', '.x.y'], 'evil.com'],
      ['', ['addSuffix', '.x.y'], ''],
      ['ada@', ['addSuffix', '@x'], 'ada@@x'],
      ['a.x.y.x.y', ['stripSuffix', '.x.y'], 'a'],
      ['a', ['stripSuffix', ''], 'a'],
      ['a', ['stripSuffix', 'b'], 'a'],
      ['x/y/a/x/y', ['stripPrefix', 'x/y/'], 'a/x/y'],
      ['x/y/x/y/a', ['stripPrefix', 'x/y/'], 'a'],
      ['ax/y/', ['stripPrefix', 'x/y/'], 'ax/y/'],
    ]
    for (const [value, step, result] of cases)
      assert.equal(normalise(value, [step]), result, `${value} ${String(step)}`)
  })

  it('brings every spelling of a host to one', () => {
    for (const value of [
      'acme',
      'ACME.example.com',
      'https://acme.example.com/x?y#z',
      ' http://Acme. ',
      'https://https://acme/',
    ]) {
      assert.equal(normalise(value, hostSteps), 'acme.example.com', value)
    }
    assert.equal(normalise('https://  acme', hostSteps.slice(0, 3)), 'acme')
  })

  it('changes nothing the second time', () => {
    const steps = fc.oneof(
      fc.constant(hostSteps),
      fc.array(plainStep, { maxLength: 6 }),
      fc.array(
        fc.oneof(plainStep, fc.constantFrom<NormaliseStep>(['stripSuffix', '.com'], ['stripPrefix', 'a/'])),
        { maxLength: 6 },
      ),
    )
    fc.assert(
      fc.property(text, steps, (value, list) => {
        const once = normalise(value, list)
        assert.equal(normalise(once, list), once)
      }),
      { numRuns: 800 },
    )
  })

  it('leaves an empty value empty and a value without steps alone', () => {
    fc.assert(fc.property(fc.array(plainStep), (steps) => normalise('', steps) === ''))
    fc.assert(fc.property(text, (value) => normalise(value, []) === value))
  })

  it('cuts what is too long and does not work on it', () => {
    const long = ` ${'A'.repeat(maxNormaliseLength)}`
    assert.equal(normalise(long, hostSteps), long.slice(0, maxNormaliseLength))
  })

  it('takes time in proportion to the value', () => {
    const started = performance.now()
    for (const unit of ['.', ' ', 'https://', '/', '.com']) {
      normalise(unit.repeat(maxNormaliseLength / unit.length), [...hostSteps, ['stripSuffix', '.com']])
    }
    assert.ok(performance.now() - started < 500)
  })
})

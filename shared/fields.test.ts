import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checkField, checkFields, type FieldSchema, type FormField } from './fields.ts'

/** Text of any UTF-16 units, halves of characters too. */
const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff)), { maxLength })
    .map((units) => String.fromCharCode(...units))

function field(name: string, schema: Partial<FieldSchema> = {}, rest: Partial<FormField> = {}): FormField {
  return {
    name,
    required: true,
    schema: { type: 'string', title: 'Name', maxLength: 20, ...schema },
    secret: false,
    normalise: [],
    ...rest,
  }
}

const reason = (of: FormField, value: string) => checkField(of, value)?.reason

describe('checkField', () => {
  it('takes what fits', () => {
    assert.equal(checkField(field('a'), 'x'), undefined)
    assert.equal(checkField(field('a', {}, { required: false }), ''), undefined)
    assert.equal(checkField(field('a', { type: 'boolean' }), 'true'), undefined)
    assert.equal(checkField(field('a', { enum: ['x', 'y'] }), 'y'), undefined)
    assert.equal(checkField(field('a', { pattern: '^\\p{L}+$' }), 'Łódź'), undefined)
  })

  it('says what does not fit, with the title', () => {
    assert.deepEqual(checkField(field('a'), ''), {
      field: 'a',
      reason: 'required',
      message: 'Name is required.',
    })
    assert.equal(reason(field('a'), 'x'.repeat(21)), 'length')
    assert.equal(reason(field('a', { minLength: 3 }), 'xy'), 'length')
    assert.equal(reason(field('a', { type: 'boolean' }), 'on'), 'type')
    assert.equal(reason(field('a', { enum: ['x'] }), 'X'), 'enum')
    assert.equal(reason(field('a', { pattern: '^x$' }), 'y'), 'pattern')
    assert.equal(
      checkField(field('a', { pattern: '^x$' }, { patternMessage: 'Just x.' }), 'y')?.message,
      'Just x.',
    )
  })

  it('never repeats the value in its message', () => {
    for (const of of [
      field('a', { maxLength: 3 }),
      field('a', { enum: ['x'] }),
      field('a', { pattern: '^x$' }),
      field('a', { type: 'boolean' }),
    ]) {
      assert.doesNotMatch(checkField(of, 'canary')?.message ?? assert.fail(), /canary/)
    }
  })

  it('counts as the control does, in UTF-16 units, and reads patterns by whole characters', () => {
    assert.equal(reason(field('a', { maxLength: 3 }), '😀😀'), 'length')
    assert.equal(reason(field('a', { pattern: '^.$' }), '😀'), undefined)
  })

  it('refuses line breaks, control characters and halves of characters', () => {
    for (const value of ['a\nb', 'a\r', '\0', '\u007f', '\u0085', '\ud83d', 'a\udc00b'])
      assert.equal(reason(field('a'), value), 'type')
  })

  it('checks the length before the pattern, so that a long value costs nothing', () => {
    const slow = field('a', { pattern: '^(?:a+)+$' })
    const started = performance.now()
    assert.equal(reason(slow, `${'a'.repeat(100_000)}!`), 'length')
    assert.ok(performance.now() - started < 50)
  })
})

describe('checkFields', () => {
  const form = [
    field('shop', { pattern: '^[a-z]+\\.x$' }, { normalise: ['trim', 'lower', ['addSuffix', '.x']] }),
    field('note', {}, { required: false }),
    field('flag', { type: 'boolean' }),
    field('on', { type: 'boolean', default: 'true' }, { required: false }),
    field('region', { enum: ['eu', 'us'], default: 'eu' }, { required: false }),
  ]

  it('gives normalised values with defaults, and errors in the order of the form', () => {
    assert.deepEqual(checkFields(form, { region: '', shop: ' ACME', extra: 'x', note: '' }), {
      values: { shop: 'acme.x', flag: 'false', on: 'true', region: 'eu' },
      errors: [],
    })
    const { values, errors } = checkFields(form, { region: 'asia', flag: 'maybe' })
    assert.deepEqual(
      errors.map((error) => error.field),
      ['shop', 'flag', 'region'],
    )
    assert.deepEqual(values, { on: 'true' })
  })

  it('takes its own answer back unchanged', () => {
    const value = fc.oneof(anyText(25), fc.constantFrom('true', 'false', 'eu', ' ACME', 'a.x', ''))
    const input = fc.dictionary(
      fc.constantFrom('shop', 'note', 'flag', 'on', 'region', 'extra', '__proto__'),
      value,
    )
    fc.assert(
      fc.property(input, (values) => {
        const once = checkFields(form, values)
        assert.deepEqual(once.errors.length + Object.keys(once.values).length >= 4, true)
        const accepted = form.filter(({ name }) => Object.hasOwn(once.values, name))
        assert.deepEqual(checkFields(accepted, once.values), { values: once.values, errors: [] })
      }),
    )
  })

  it('reads own properties only, and texts only', () => {
    const inherited = Object.create({ shop: 'acme', flag: 'true' }) as Record<string, string>
    assert.equal(checkFields(form, inherited).errors[0]?.reason, 'required')
    for (const shop of [7, {}, ['acme'], null, true]) {
      assert.equal(checkFields(form, { shop } as never).errors[0]?.reason, 'required')
    }
    checkFields(form, JSON.parse('{"__proto__":{"shop":"acme"}}') as Record<string, string>)
    assert.equal(({} as { shop?: string }).shop, undefined)
  })
})

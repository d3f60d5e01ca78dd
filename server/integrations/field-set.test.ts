import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { checkFields, type FormField } from '../../shared/fields.ts'
import { defineFields, type FieldMeta } from './field-set.ts'
import type { FieldSet } from './integration.ts'

/** Text of any UTF-16 units, halves of characters too. */
const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff)), { maxLength })
    .map((units) => String.fromCharCode(...units))

const shopFields = defineFields(
  z.object({
    shop: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,59}\.myshopify\.com$/)
      .meta({
        title: 'Shop',
        placeholder: 'acme',
        suffix: '.myshopify.com',
        normalise: [
          'trim',
          'lower',
          'stripScheme',
          'stripPath',
          'stripTrailingDot',
          ['addSuffix', '.myshopify.com'],
        ],
        patternMessage: 'Enter your shop’s address, such as acme.myshopify.com.',
      } satisfies FieldMeta),
  }),
)

const everyKind = defineFields(
  z.object({
    apiKey: z
      .string()
      .min(4)
      .max(20)
      .regex(/^pat[A-Za-z0-9.]+$/)
      .meta({
        title: 'Token',
        secret: true,
        order: 2,
        normalise: ['trim'],
        autocomplete: 'off',
        helpUrl: 'https://example.com/help',
      }),
    region: z.enum(['eu', 'us']).meta({ title: 'Region', optionLabels: ['Europe', 'America'], order: 1 }),
    note: z
      .string()
      .regex(/^.{1,8}$/u)
      .optional()
      .meta({ title: 'Note', description: 'Anything.', inputMode: 'text' }),
    readOnly: z.boolean().meta({ title: 'Read only' }),
    beta: z.boolean().default(true).meta({ title: 'Beta' }),
    host: z
      .string()
      .max(40)
      .default('example.com')
      .meta({
        title: 'Host',
        normalise: ['trim', 'stripScheme', 'stripPath', ['stripSuffix', '.']],
        prefix: 'https://',
      }),
    mail: z.email().optional().meta({ title: 'Mail', inputMode: 'email' }),
  }),
)

/** The form as the browser has it. */
const inBrowser = (fields: FieldSet): FormField[] => JSON.parse(JSON.stringify(fields.form)) as FormField[]

describe('defineFields: the form', () => {
  it('is JSON Schema with presentation, in order', () => {
    assert.deepEqual(
      everyKind.form.map(({ name }) => name),
      ['note', 'readOnly', 'beta', 'host', 'mail', 'region', 'apiKey'],
    )
    const [note, readOnly, beta, host, mail, region, apiKey] = inBrowser(everyKind)
    assert.deepEqual(apiKey, {
      name: 'apiKey',
      required: true,
      schema: { type: 'string', title: 'Token', minLength: 4, maxLength: 20, pattern: '^pat[A-Za-z0-9.]+$' },
      secret: true,
      normalise: ['trim'],
      autocomplete: 'off',
      helpUrl: 'https://example.com/help',
    })
    assert.deepEqual(region, {
      name: 'region',
      required: true,
      schema: { type: 'string', title: 'Region', maxLength: 4096, enum: ['eu', 'us'] },
      secret: false,
      normalise: [],
      optionLabels: ['Europe', 'America'],
    })
    assert.deepEqual(note?.schema, {
      type: 'string',
      title: 'Note',
      description: 'Anything.',
      pattern: '^.{1,8}$',
      maxLength: 4096,
    })
    assert.equal(note?.required, false)
    assert.deepEqual(readOnly?.schema, { type: 'boolean', title: 'Read only', maxLength: 5 })
    assert.deepEqual(beta?.schema, { type: 'boolean', title: 'Beta', maxLength: 5, default: 'true' })
    assert.equal(host?.schema.default, 'example.com')
    assert.match(mail?.schema.pattern ?? '', /^\^.*\$$/)
  })

  it('finds the title on either side of optional', () => {
    const [inside, outside] = defineFields(
      z.object({
        inside: z.string().meta({ title: 'In', secret: true }).optional(),
        outside: z.string().meta({ title: 'In' }).optional().meta({ title: 'Out', placeholder: 'p' }),
      }),
    ).form
    assert.equal(inside?.schema.title, 'In')
    assert.equal(inside?.secret, true)
    assert.equal(outside?.schema.title, 'Out')
    assert.equal(outside?.placeholder, 'p')
  })

  it('may be empty', () => {
    const none = defineFields(z.object({}))
    assert.deepEqual(none.form, [])
    assert.deepEqual(none.parse({ extra: 'x' }), { values: {}, errors: [] })
  })
})

describe('defineFields: what it refuses', () => {
  const title = { title: 'T' }
  const refused: [what: RegExp, field: z.core.$ZodType][] = [
    [/title/, z.string()],
    [/title/, z.string().meta({ title: '' })],
    [/must be anchored/, z.string().regex(/a/).meta(title)],
    [/must be anchored/, z.string().startsWith('xoxb-').meta(title)],
    [/needs the flag `u`/, z.string().regex(/^.+$/).meta(title)],
    [/has the flags `i`/, z.string().regex(/^a$/i).meta(title)],
    [/one pattern/, z.string().regex(/^a$/).regex(/^b$/).meta(title)],
    [/use `patternMessage`/, z.string().regex(/^a$/, 'no').meta(title)],
    [/use `normalise`/, z.string().trim().meta(title)],
    [/use `normalise`/, z.string().toLowerCase().meta(title)],
    [
      /use `normalise`/,
      z
        .string()
        .transform((value) => value)
        .meta(title),
    ],
    [/use `normalise`/, z.preprocess((value) => value, z.string()).meta(title)],
    [
      /min, max, length and regex/,
      z
        .string()
        .refine((value) => value !== 'x')
        .meta(title),
    ],
    [/min, max, length and regex/, z.url().meta(title)],
    [/cannot be a field/, z.number().meta(title)],
    [/cannot be a field/, z.array(z.string()).meta(title)],
    [/cannot be a field/, z.string().nullable().meta(title)],
    [/cannot be a field/, z.unknown().meta(title)],
    [
      /only strings take/,
      z
        .boolean()
        .refine((value) => value)
        .meta(title),
    ],
    [/an enum must hold strings/, z.enum({ One: 1, Two: 2 }).meta(title)],
    [/longest value is over 8192/, z.string().max(8193).meta(title)],
    [/shortest value is longer/, z.string().min(9).max(8).meta(title)],
    [/patternMessage but no pattern/, z.string().meta({ ...title, patternMessage: 'x' })],
    [/texts in de: .*no pattern/, z.string().meta({ ...title, locales: { de: { patternMessage: 'x' } } })],
    [
      /texts in de: .*one option label/,
      z.enum(['a', 'b']).meta({ ...title, locales: { de: { optionLabels: ['A'] } } }),
    ],
    [/locales/, z.string().meta({ ...title, locales: { 'not a tag': { title: 'x' } } })],
    [/locales/, z.string().meta({ ...title, locales: { de: { titel: 'x' } } })],
    [/one option label/, z.enum(['a', 'b']).meta({ ...title, optionLabels: ['A'] })],
    [/not a value that it accepts/, z.enum(['A']).meta({ ...title, normalise: ['lower'] })],
    [/not a value that it accepts/, z.string().max(2).default('abc').meta(title)],
    [
      /undo each other/,
      z.string().meta({
        ...title,
        normalise: [
          ['addSuffix', 'ab'],
          ['stripSuffix', 'b'],
        ],
      }),
    ],
    [/meta is not valid \(helpUrl/, z.string().meta({ ...title, helpUrl: 'javascript:alert(1)' })],
    [/meta is not valid \(normalise/, z.string().meta({ ...title, normalise: ['upper'] })],
    [/meta is not valid/, z.string().meta({ ...title, secrte: true })],
    [/meta is not valid \(inputMode/, z.string().meta({ ...title, inputMode: 'tel' })],
  ]

  it('names the field and what is wrong with it', () => {
    for (const [what, field] of refused) {
      assert.throws(
        () => defineFields(z.object({ broken: field })),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'invalid_option', error.message)
          assert.match(error.message, /^Field `broken`: /)
          assert.match(error.message, what)
          return true
        },
      )
    }
  })

  it('includes names that objects have of themselves, too many fields and checks on the whole', () => {
    const field = z.string().meta(title)
    for (const name of [
      'constructor',
      'toString',
      'hasOwnProperty',
      '__proto__',
      '_x',
      'a.b',
      '$set',
      '',
      '1st',
    ]) {
      assert.throws(
        () => defineFields(z.object({ ['safe']: field, [name]: field })),
        { code: 'invalid_option' },
        name,
      )
    }
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`f${index}`, field]))
    assert.throws(() => defineFields(z.object(many)), /at most 32/)
    assert.throws(() => defineFields(z.object({ a: field }).refine(() => true)), /whole object/)
  })
})

describe('FieldSet.parse', () => {
  const good = { apiKey: ' patABC.1 ', region: 'eu', readOnly: 'false' }

  it('gives normalised values, with defaults and without what is empty or unknown', () => {
    assert.deepEqual(
      everyKind.parse({
        ...good,
        note: '',
        extra: 'x',
        host: ' https://api.example.org/v1 ',
        __proto__: 'x',
      }),
      {
        values: {
          apiKey: 'patABC.1',
          region: 'eu',
          readOnly: 'false',
          beta: 'true',
          host: 'api.example.org',
        },
        errors: [],
      },
    )
    assert.equal(everyKind.parse({ ...good, beta: 'false' }).values['beta'], 'false')
  })

  it('says what is wrong, in the order of the form, with the pattern’s own message', () => {
    const { errors, values } = everyKind.parse({
      apiKey: 'x'.repeat(21),
      region: 'asia',
      note: 'far too long',
      beta: 'on',
      mail: 'nobody',
    })
    assert.deepEqual(
      errors.map(({ field, reason }) => [field, reason]),
      [
        ['note', 'pattern'],
        ['beta', 'type'],
        ['mail', 'pattern'],
        ['region', 'enum'],
        ['apiKey', 'length'],
      ],
    )
    assert.deepEqual(values, { readOnly: 'false', host: 'example.com' })
    assert.deepEqual(shopFields.parse({ shop: 'evil.com' }).errors, [
      { field: 'shop', reason: 'pattern', message: 'Enter your shop’s address, such as acme.myshopify.com.' },
    ])
    assert.deepEqual(shopFields.parse({}).errors, [
      { field: 'shop', reason: 'required', message: 'Shop is required.' },
    ])
  })

  it('takes a shop in every spelling its owner may type, and no other host', () => {
    for (const fields of [shopFields.form, inBrowser(shopFields)]) {
      for (const shop of [
        'https://ACME.myshopify.com/admin',
        'acme',
        ' acme.myshopify.com. ',
        'http://acme?x',
        'ACME.MYSHOPIFY.COM#',
        'acme\n',
      ]) {
        assert.deepEqual(
          checkFields(fields, { shop }),
          { values: { shop: 'acme.myshopify.com' }, errors: [] },
          shop,
        )
        assert.deepEqual(
          shopFields.parse({ shop }),
          { values: { shop: 'acme.myshopify.com' }, errors: [] },
          shop,
        )
      }
      for (const shop of [
        'evil.com',
        'acme.myshopify.com.evil.com',
        'acme.myshopify.com@evil.com',
        'evil.com/acme.myshopify.com',
        'evil.com#.myshopify.com',
        'evil.com?.myshopify.com',
        'evil.com\\.myshopify.com',
        'a.b.myshopify.com',
        '.myshopify.com',
        'acme.myshopify.com:444',
        'user:pass@acme.myshopify.com',
        'acme%2emyshopify.com',
        'acme\u3002myshopify.com',
        '-a',
        'a_b',
        'ac me',
        'x\0',
        'acme.myshopify.com\nx',
        'ftp://acme',
        '\u0430cme',
        'a'.repeat(61),
        '//acme',
        'https://',
        '.',
      ]) {
        assert.equal(checkFields(fields, { shop }).errors.length, 1, shop)
        assert.equal(shopFields.parse({ shop }).errors.length, 1, shop)
      }
    }
  })

  it('never lets a value choose another host than a shop', () => {
    const piece = fc.constantFrom(
      'acme',
      '.myshopify.com',
      'evil.com',
      '/',
      '@',
      ':',
      '?',
      '#',
      '\\',
      '.',
      '-',
      ' ',
      '\n',
      '%2f',
      'https://',
      '\u200b',
      '。',
    )
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string({ unit: 'grapheme', maxLength: 3 })), { maxLength: 8 }),
        (pieces) => {
          const { values } = shopFields.parse({ shop: pieces.join('') })
          if (values['shop'] === undefined) return
          const url = new URL(`https://${values['shop']}/admin/oauth/authorize`)
          assert.match(
            url.href,
            /^https:\/\/[a-z0-9][a-z0-9-]{0,59}\.myshopify\.com\/admin\/oauth\/authorize$/,
          )
        },
      ),
      { numRuns: 1500 },
    )
  })

  it('agrees with the browser on every input, and takes its own answer back', () => {
    const text = fc.oneof(
      anyText(30),
      fc.stringMatching(/^pat[A-Za-z0-9.]{1,20}$/),
      fc.constantFrom(
        '',
        'true',
        'false',
        'eu',
        'us',
        'constructor',
        'a@b.co',
        '😀😀😀😀',
        '😀😀😀😀😀',
        'https://https://x./y',
        '\ud83d',
        'x'.repeat(20_000),
      ),
      fc
        .array(fc.constantFrom('https://', '.', '/', ' ', 'a', 'é', '.com'), { maxLength: 8 })
        .map((parts) => parts.join('')),
    )
    const names = [...everyKind.form.map(({ name }) => name), '__proto__', 'constructor', 'extra']
    const input = fc.dictionary(fc.constantFrom(...names), text, { maxKeys: names.length })
    const browser = inBrowser(everyKind)
    let accepted = 0
    fc.assert(
      fc.property(
        fc.oneof(
          input,
          input.map((values) => ({ ...good, ...values })),
        ),
        (values) => {
          const [here, there] = [everyKind.parse(values), checkFields(browser, values)]
          assert.deepEqual(here, there)
          if (here.errors.length > 0) return
          accepted++
          assert.deepEqual(everyKind.parse(here.values), here)
        },
      ),
      { numRuns: 800 },
    )
    assert.ok(accepted > 25, `${accepted} accepted`)
  })

  it('is safe against input that is no record of texts', () => {
    const hostile = JSON.parse(
      '{"apiKey":"patABC","region":"eu","readOnly":"false","__proto__":{"polluted":"x"}}',
    ) as Record<string, string>
    assert.deepEqual(everyKind.parse(hostile).errors, [])
    assert.equal(({} as { polluted?: string }).polluted, undefined)
    for (const values of [null, undefined, 'text', 7, [], ['eu']]) {
      assert.equal(everyKind.parse(values as never).errors[0]?.reason, 'required')
    }
    for (const region of [{}, [], ['eu'], { $ne: '' }, 1, true, null]) {
      assert.deepEqual(
        everyKind.parse({ ...good, region } as never).errors.map(({ reason }) => reason),
        ['required'],
      )
    }
    // What stands on the prototype is nobody's input.
    assert.equal(everyKind.parse(Object.create(good) as never).errors.length, 2)
  })
})

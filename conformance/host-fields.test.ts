// D2: values that become part of an address. Whatever the shop field takes, Shopify's own sanitiser takes too; where the
// two differ is listed. And no value that any field takes can lead an address of any integration elsewhere.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import '@shopify/shopify-api/adapters/node'
import { ApiVersion, shopifyApi } from '@shopify/shopify-api'
import { printFigure } from '../scripts/figure.ts'
import { AuthFlowError } from '../shared/errors.ts'
import type { FieldSet, Method } from '../server/integrations/integration.ts'
import type { GuardedFetch } from '../server/net/guarded-fetch.ts'
import { fieldSets } from './all-integrations.ts'

const numRuns = 10_000

const { utils } = shopifyApi({
  apiKey: 'key',
  apiSecretKey: 'secret',
  scopes: ['read_products'],
  hostName: 'example.com',
  apiVersion: ApiVersion.July26,
  isEmbeddedApp: false,
  logger: { log: () => undefined },
})

const label = fc.oneof(
  fc.constantFrom(
    'acme',
    'a',
    '-a',
    'a-',
    'a--b',
    'xn--80ak6aa92e',
    'localhost',
    '127.0.0.1',
    '0x7f',
    'a_b',
    '',
    'admin',
  ),
  fc.string({ unit: fc.constantFrom(...'abcxyzABC0129-_.é。①%'), maxLength: 70 }),
  fc.string({ maxLength: 12 }),
)
const before = fc.constantFrom(
  '',
  '',
  '',
  ' ',
  'https://',
  'HTTP://',
  'https:\\\\',
  '//',
  'javascript:',
  'user@',
  'user:pw@',
  'evil.com/',
  'evil.com#',
  'evil.com?',
  'https://evil.com\\@',
  'ftp://',
  '[::1]',
  '\u202e',
  '\ufeff',
)
const domain = fc.constantFrom(
  '',
  '.myshopify.com',
  '.myshopify.com',
  '.myshopify.com',
  '.MyShopify.Com',
  '.myshopify.io',
  '.shopify.com',
  '.shop.dev',
  '.evil.com',
  '.myshopify.com.evil.com',
  '.myshopify.comevil.com',
  '-myshopify.com',
  '.myshopify．com',
  '。myshopify。com',
  '.zendesk.com',
  '.my.salesforce.com',
  '.onmicrosoft.com',
  '.airtable.com',
)
const behind = fc.constantFrom(
  '',
  '',
  '',
  '/',
  '//',
  '/admin',
  ':443',
  ':80',
  '@evil.com',
  '?x=.myshopify.com',
  '#',
  '\\evil.com',
  '\n',
  '\r\nHost: evil.com',
  '\0',
  '%00',
  '%2f',
  '%2e',
  '.',
  '..',
  ' ',
  '\t',
  '/../..',
  ';',
  ',evil.com',
  '/store/acme',
)
const anyHost = fc.tuple(before, label, domain, behind).map((parts) => parts.join(''))

const shopSet = fieldSets.find(({ place }) => place === 'shopify oauth2')?.fields
assert.ok(shopSet)
const ours = (value: string): string | undefined => {
  const { values, errors } = shopSet.parse({ shop: value })
  return errors.length === 0 ? values['shop'] : undefined
}

/** Where Shopify's sanitiser takes what we refuse, and why we do. */
const differences: Readonly<Record<string, (value: string) => boolean>> = {
  'an admin’s page that is not at admin.shopify.com': (value) => /^admin\.[a-z.]+\/store\//.test(value),
  'an underscore, which no host name has': (value) => value.includes('_'),
  'a label longer than 60 characters': (value) => /^[^.]{61,}\./.test(value),
  'myshopify.io, shopify.com and shop.dev, which are no customers’ shops': (value) =>
    /\.(?:myshopify\.io|shopify\.com|shop\.dev)\/*$/.test(value),
}

describe('D2: the shop', { timeout: 300_000 }, () => {
  it('that we take, Shopify’s own sanitiser takes', () => {
    let taken = 0
    fc.assert(
      fc.property(anyHost, (value) => {
        const shop = ours(value)
        if (shop === undefined) return
        taken += 1
        assert.equal(utils.sanitizeShop(shop), shop, JSON.stringify(value))
        assert.equal(ours(shop), shop, 'taken a second time as it is')
        const url = new URL(`https://${shop}`)
        assert.equal(url.href, `https://${shop}/`)
        assert.ok(/^[^.]+\.myshopify\.com$/.test(url.hostname))
      }),
      { numRuns },
    )
    assert.ok(taken > numRuns / 50, `${taken} were taken`)
    printFigure({
      requirement: 'D2',
      name: 'shops taken that Shopify’s sanitiser refuses',
      value: `0 of ${taken} of ${numRuns}`,
    })
  })

  it('that Shopify’s sanitiser takes and we refuse is one of the listed', () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(anyHost, (value) => {
        const theirs = utils.sanitizeShop(value)
        if (theirs === null || ours(value) !== undefined) return
        const why = Object.entries(differences).find(([, holds]) => holds(value))?.[0]
        assert.ok(why, JSON.stringify(value))
        seen.set(why, (seen.get(why) ?? 0) + 1)
      }),
      { numRuns },
    )
    for (const value of [
      'a_b.myshopify.com',
      `${'a'.repeat(61)}.myshopify.com`,
      'acme.shop.dev',
      'admin.shop.dev/store/acme',
    ]) {
      assert.ok(
        utils.sanitizeShop(value) !== null && ours(value) === undefined,
        `${value} is still a difference`,
      )
    }
    for (const [why, count] of seen)
      printFigure({ requirement: 'D2', name: `refused by us alone: ${why}`, value: count })
  })

  it('that we refuse alone is in docs/providers.md', () => {
    const bullets =
      readFileSync(new URL('../docs/providers.md', import.meta.url), 'utf8').match(/^- .*/gm) ?? []
    for (const why of Object.keys(differences))
      assert.ok(
        bullets.some((bullet) => bullet.startsWith(`- ${why}`)),
        why,
      )
  })

  it('is the one that Shopify finds in the address of its admin', () => {
    const address = 'admin.shopify.com/store/acme'
    assert.equal(utils.sanitizeShop(address), 'acme.myshopify.com')
    for (const value of [address, `https://${address}`, `https://${address}/products?x#y`])
      assert.equal(ours(value), 'acme.myshopify.com', value)
  })

  it('is found in what people paste', () => {
    for (const value of [
      'acme',
      ' ACME ',
      'acme.myshopify.com',
      'https://acme.myshopify.com/',
      'http://Acme.MyShopify.com/admin/products?x#y',
      'acme.myshopify.com.',
      'https://https://acme.myshopify.com',
    ]) {
      assert.equal(ours(value), 'acme.myshopify.com', value)
    }
  })
})

/** Everything that a method would address with the values. */
async function addressesOf(method: Method, values: Readonly<Record<string, string>>): Promise<string[]> {
  const addresses: string[] = []
  const fetch: GuardedFetch = async (url) => {
    addresses.push(String(url))
    throw new AuthFlowError('provider_unavailable')
  }
  const context = { fetch, fields: values }
  const attempt = (work: () => unknown): unknown => work()
  if ('verify' in method) {
    await Promise.resolve(attempt(() => method.verify(context))).catch(() => undefined)
    return addresses
  }
  addresses.push(method.tokenUrl(values))
  if ('authorizationUrl' in method) addresses.push(method.authorizationUrl(values))
  if (method.revocationUrl) addresses.push(method.revocationUrl(values))
  const tokens = { accessToken: 'token', refreshToken: 'refresh' }
  await Promise.resolve(attempt(() => method.identify(tokens, context))).catch(() => undefined)
  return addresses
}

/** The last two labels: none of the providers is below a public suffix of two. */
const registrable = (hostname: string): string => hostname.split('.').slice(-2).join('.')

const hex = (length: number): string => 'ab12'.repeat(length / 4)

/** What careful people type. */
const typed: readonly string[] = [
  'acme',
  'acme.example.com',
  `github_pat_${hex(24)}`,
  `pat${hex(12)}xy.${hex(64)}`,
  `sk-${hex(40)}`,
  `sk_test_${hex(24)}`,
  `AC${hex(32)}`,
  hex(32),
]

/** A form as such people fill it in. */
const honest = (fields: FieldSet): Record<string, string> =>
  Object.fromEntries(
    fields.form.map(({ name, placeholder, schema }) => {
      const known = [...typed, placeholder ?? '', schema.enum?.[0] ?? '']
      const taken = known.find((value) => fields.parse({ [name]: value }).values[name] !== undefined)
      return [name, taken ?? '']
    }),
  )

describe('D2: a value of any field of any integration', { timeout: 600_000 }, () => {
  for (const { place, fields, method } of fieldSets) {
    it(`of ${place} changes no scheme, port, user name or domain`, async () => {
      const base = honest(fields)
      const { errors } = fields.parse(base)
      assert.deepEqual(errors, [], 'an honest form is taken')
      const expected = new Set(
        (await addressesOf(method, fields.parse(base).values)).map((url) =>
          registrable(new URL(url).hostname),
        ),
      )
      const open = fields.form.filter(({ schema }) => schema.type === 'string' && schema.enum === undefined)
      let taken = 0
      const form = fc.record(
        Object.fromEntries(
          open.map(({ name }) => [name, fc.oneof(anyHost, fc.string(), fc.constantFrom(...typed))]),
        ),
      )
      await fc.assert(
        fc.asyncProperty(form, fc.constantFrom(...open.map(({ name }) => name)), async (all, one) => {
          // One field at a time too, or a form of several would hardly ever be taken.
          for (const given of [
            { ...base, ...all },
            { ...base, [one]: all[one] ?? '' },
          ]) {
            const { values, errors: refused } = fields.parse(given)
            if (refused.length > 0) continue
            taken += 1
            for (const address of await addressesOf(method, values)) {
              const url = new URL(address)
              const shown = JSON.stringify(given)
              assert.equal(url.protocol, 'https:', shown)
              assert.deepEqual([url.username, url.password, url.port], ['', '', ''], shown)
              assert.ok(expected.has(registrable(url.hostname)), `${shown} leads to ${url.hostname}`)
            }
          }
        }),
        { numRuns },
      )
      assert.ok(taken > 0)
      printFigure({ requirement: 'D2', name: `forms of ${place} that led elsewhere`, value: `0 of ${taken}` })
    })
  }
})

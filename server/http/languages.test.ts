// Labels, help and errors in the reader's language: of a description, of a flow, and of what is wrong at its fields.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import { AuthFlowError } from '../../shared/errors.ts'
import type { FlowView, IntegrationView } from '../../shared/flow.ts'
import { createFlowId } from '../../shared/ids.ts'
import { AuthFlow } from '../authflow.ts'
import { defineIntegration } from '../integrations/define-integration.ts'
import { defineFields, type FieldMeta } from '../integrations/field-set.ts'
import { Shopify } from '../integrations/shopify.ts'
import { listen, type Listening } from '../oauth/fixtures/listen.ts'
import { encryptionKeys, keepLog, pageOrigin } from './fixtures/test-server.ts'

const paint = defineIntegration({
  provider: 'paint',
  name: 'Paint',
  methods: {
    apiKey: {
      label: 'Paint key',
      labels: { de: 'Paint-Schlüssel', 'pt-BR': 'Chave do Paint', nl: 'Paint-sleutel' },
      fields: defineFields(
        z.object({
          colour: z.enum(['red', 'blue']).meta({
            title: 'Colour',
            optionLabels: ['Red', 'Blue'],
            locales: { de: { title: 'Farbe', optionLabels: ['Rot', 'Blau'] }, nl: { title: 'Kleur' } },
          } satisfies FieldMeta),
          apiKey: z
            .string()
            .regex(/^pk_\w+$/)
            .meta({
              title: 'Key',
              description: 'From your settings.',
              secret: true,
              patternMessage: 'A key begins with pk_.',
              locales: {
                de: {
                  title: 'Schlüssel',
                  patternMessage: 'Ein Schlüssel beginnt mit pk_.',
                  rejectedMessage: 'Paint kennt diesen Schlüssel nicht.',
                },
              },
            } satisfies FieldMeta),
        }),
      ),
      verify: async () => {
        throw new AuthFlowError('credentials_rejected', 'Paint does not know this key.')
      },
    },
  },
  client: () => ({}),
  tasks: {},
})

let listening: Listening
let client: AuthFlow<[ReturnType<typeof paint<'paint'>>, Shopify<'shop'>]>
let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-languages-'))
  listening = await listen((baseUrl) => {
    client = new AuthFlow({
      environment: 'test',
      baseUrl,
      store: `sqlite:${join(directory, 'test.db')}`,
      encryptionKeys,
      worker: false,
      logger: keepLog(),
      integrations: [
        paint({ id: 'paint', connect: true }),
        new Shopify({
          id: 'shop',
          connect: true,
          oauth: { clientId: 'app', clientSecret: 'secret', scopes: ['read_products'] },
        }),
      ],
    })
    return client.callback()
  })
})
after(async () => {
  await client.close()
  await listening.close()
  await rm(directory, { recursive: true, force: true })
})

async function describeIn(
  integration: string,
  { header, locale }: { header?: string; locale?: string } = {},
): Promise<{ view: IntegrationView; headers: Headers }> {
  const input = encodeURIComponent(JSON.stringify({ integration, ...(locale && { locale }) }))
  const url = `${listening.origin}/connect/trpc/integrations.describe?input=${input}`
  const response = await fetch(url, { headers: { 'accept-language': header ?? '*' } })
  assert.equal(response.status, 200)
  return { view: (await response.json()).result.data, headers: response.headers }
}

const titles = (view: Pick<IntegrationView, 'methods'>): string[] =>
  view.methods.flatMap(({ fields }) => fields.map(({ schema }) => schema.title))

describe('integrations.describe', () => {
  it('is in the nearest language of the browser, and says so to caches and readers', async () => {
    for (const [header, language, title, label, scope] of [
      ['de-AT,de;q=0.9,en;q=0.5', 'de', 'Shop-Adresse', 'Mit Shopify anmelden', 'Produkte sehen'],
      ['fr', 'fr', 'Adresse de la boutique', 'Se connecter avec Shopify', 'Voir les produits'],
      ['es-MX', 'es', 'Dirección de la tienda', 'Iniciar sesión con Shopify', 'Ver productos'],
      ['ja', 'ja', 'ショップのアドレス', 'Shopify でログイン', '商品の閲覧'],
      ['pt-BR', 'pt', 'Endereço da loja', 'Iniciar sessão com Shopify', 'Ver produtos'],
      ['ar', 'ar', 'عنوان المتجر', 'تسجيل الدخول باستخدام Shopify', 'عرض المنتجات'],
      ['tlh, en;q=0.5, de;q=0.4', 'en', 'Shop', 'Sign in with Shopify', 'See products'],
      ['tlh', 'en', 'Shop', 'Sign in with Shopify', 'See products'],
      ['__proto__,constructor', 'en', 'Shop', 'Sign in with Shopify', 'See products'],
    ] as const) {
      const { view, headers } = await describeIn('shop', { header })
      assert.deepEqual([titles(view), view.methods[0]?.label], [[title], label], header)
      assert.deepEqual(view.methods[0]?.scopes, [{ scope: 'read_products', label: scope }], header)
      assert.equal(view.methods[0]?.scopeLabels?.['read_products'], scope, header)
      assert.notEqual(view.methods[0]?.scopeLabels?.['read_orders'], undefined, header)
      assert.deepEqual([headers.get('content-language'), view.language], [language, language], header)
      assert.match(headers.get('vary') ?? '', /Accept-Language/)
      assert.equal(headers.get('cache-control'), 'public, max-age=300')
    }
  })

  it('is in the language that is asked for, whatever the browser’s', async () => {
    const { view } = await describeIn('shop', { header: 'fr', locale: 'de-CH' })
    assert.deepEqual(titles(view), ['Shop-Adresse'])
    const unknown = await describeIn('shop', { header: 'fr', locale: 'tlh' })
    assert.deepEqual(titles(unknown.view), ['Adresse de la boutique'])
    const bad = encodeURIComponent(JSON.stringify({ integration: 'shop', locale: '../de' }))
    const refused = await fetch(`${listening.origin}/connect/trpc/integrations.describe?input=${bad}`)
    assert.equal(refused.status, 400)
  })

  it('takes the host’s own texts, and leaves what they leave out as it is declared', async () => {
    const german = (await describeIn('paint', { header: 'de' })).view.methods[0]
    assert.equal(german?.label, 'Paint-Schlüssel')
    assert.deepEqual(
      german?.fields.map(({ schema, optionLabels }) => [schema.title, schema.description, optionLabels]),
      [
        ['Farbe', undefined, ['Rot', 'Blau']],
        ['Schlüssel', 'From your settings.', undefined],
      ],
    )
    const dutch = (await describeIn('paint', { header: 'nl-BE' })).view
    assert.deepEqual(titles(dutch), ['Kleur', 'Key'])
    const brazilian = (await describeIn('paint', { header: 'pt-BR' })).view.methods[0]
    assert.equal(brazilian?.label, 'Chave do Paint')
    assert.equal(JSON.stringify(german).includes('locales'), false, 'pages get one language')
  })
})

describe('a flow', () => {
  const call = async (path: string, token: string, input: object, header = '*'): Promise<FlowView> => {
    const response = await fetch(`${listening.origin}/connect/trpc/${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        origin: pageOrigin,
        'accept-language': header,
      },
      body: JSON.stringify(input),
    })
    const { result } = await response.json()
    return result.data
  }
  const mint = async (integration: string, locale?: string): Promise<string> => {
    const request = { accountId: 'ada', integrations: [integration], origins: [pageOrigin] }
    return (await client.connectTokens.create({ ...request, ...(locale && { locale }) })).token
  }
  const wrongOnes = { colour: 'green', apiKey: 'nonsense' }

  /** What a page is told of values that are wrong, read in a language. */
  async function complaints(header: string, { locale, values = wrongOnes }: Told = {}): Promise<string[]> {
    const token = await mint('paint', locale)
    const flowId = createFlowId()
    const { version } = await call('flows.begin', token, { flowId, integration: 'paint' }, header)
    const input = { flowId, version, method: 'apiKey', values }
    const { errors } = await call('flows.submit', token, input, header)
    return errors.map(({ message }) => message)
  }
  interface Told {
    readonly locale?: string
    readonly values?: Readonly<Record<string, string>>
  }

  it('says what is wrong at fields in the language of the reader', async () => {
    assert.deepEqual(await complaints('de'), ['Bitte wählen Sie: Farbe.', 'Ein Schlüssel beginnt mit pk_.'])
    assert.deepEqual(await complaints('en'), ['Colour must be one of the choices.', 'A key begins with pk_.'])
    assert.deepEqual(await complaints('de', { values: {} }), ['Farbe fehlt.', 'Schlüssel fehlt.'])
    // Nobody worded these in Dutch.
    assert.deepEqual(await complaints('nl'), ['Colour must be one of the choices.', 'A key begins with pk_.'])
  })

  it('says what the provider refuses in the language of the reader', async () => {
    const values = { colour: 'red', apiKey: 'pk_1' }
    assert.deepEqual(await complaints('de', { values }), ['Paint kennt diesen Schlüssel nicht.'])
    assert.deepEqual(await complaints('en', { values }), ['Paint does not know this key.'])
  })

  it('is in the language that its token was minted for, and read in two where none was', async () => {
    assert.deepEqual(await complaints('en', { locale: 'de-DE', values: {} }), [
      'Farbe fehlt.',
      'Schlüssel fehlt.',
    ])
    const token = await mint('shop')
    const flowId = createFlowId()
    const begun = await call('flows.begin', token, { flowId, integration: 'shop' }, 'de')
    assert.deepEqual(
      begun.fields.map(({ schema }) => schema.title),
      ['Shop-Adresse'],
    )
    const input = { flowId, version: begun.version, method: 'oauth2', values: { shop: 'a b' } }
    const said = await call('flows.submit', token, input, 'fr')
    assert.match(said.errors[0]?.message ?? '', /^Ce n’est pas une adresse Shopify/)
    const watch = { flows: [{ id: flowId, version: 0 }], waitMs: 0 }
    const response = await call('flows.watch', token, watch, 'ja')
    assert.match(JSON.stringify(response), /Shopify のアドレスではありません/)
  })

  it('refuses a locale that is none', async () => {
    await assert.rejects(mint('shop', 'not a language'), { code: 'invalid_input' })
  })

  it('is in the language of the page from which it left, where the token has none', async () => {
    const token = await mint('shop')
    const flowId = createFlowId()
    const begun = await call('flows.begin', token, { flowId, integration: 'shop' })
    const input = { flowId, version: begun.version, method: 'oauth2', values: { shop: 'acme' } }
    await call('flows.submit', token, input)
    const form = new URLSearchParams({ token, flow: flowId, mode: 'popup', locale: 'de' })
    const started = await fetch(`${listening.origin}/connect/start`, {
      method: 'POST',
      headers: { origin: pageOrigin },
      body: form,
    })
    assert.equal(started.status, 200)
    const left = await call('flows.cancel', token, { flowId }, 'en')
    assert.deepEqual([left.locale, titles(left)], ['de', ['Shop-Adresse']])
  })
})

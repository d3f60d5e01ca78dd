// docs/providers.md: its examples run, and its tables name what there is.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { oauthOf } from './fixtures/acting.ts'
import type { Integration, OAuth2Method } from './integration.ts'

const root = join(import.meta.dirname, '../..')
const page = await readFile(join(root, 'docs/providers.md'), 'utf8')
const entry = pathToFileURL(join(root, 'server/index.ts')).href
const examples = [...page.matchAll(/^```ts example=(\w+)\n([^]*?)^```$/gm)]

type Make = (options: object) => Integration

let directory: string
before(async () => {
  // Below the packages, so that these are found.
  const cache = join(root, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  directory = await mkdtemp(join(cache, 'providers-page-'))
})
after(() => rm(directory, { recursive: true, force: true }))

async function run(name: string): Promise<Record<string, unknown>> {
  const [, , code = ''] = examples.find(([, called]) => called === name) ?? assert.fail(`no example ${name}`)
  const file = join(directory, `${name}.ts`)
  await writeFile(file, code.replaceAll("'authflow'", JSON.stringify(entry)))
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>
}

const isMake = (value: unknown): value is Make => typeof value === 'function'

async function oauthMethodOf(name: string): Promise<OAuth2Method> {
  const { acme } = await run(name)
  assert.ok(isMake(acme))
  return oauthOf(
    acme({
      id: 'acme',
      connect: true,
      oauth: { clientId: 'id', clientSecret: 's', scopes: ['things:read'] },
    }),
  )
}

describe('docs/providers.md', () => {
  it('has an example of a provider that works', async () => {
    const method = await oauthMethodOf('provider')
    assert.deepEqual([method.pkce, method.clientAuth, method.label], ['S256', 'basic', 'Sign in with Acme'])
    const fetch = async () => Response.json({ id: 7, email: 'ada@x.example' })
    const { identity } = await method.identify({ accessToken: 'at' }, { fetch, fields: {} })
    assert.deepEqual(identity, { id: '7', label: 'ada@x.example' })
    const refused = async () => new Response('{}', { status: 401 })
    await assert.rejects(method.identify({ accessToken: 'at' }, { fetch: refused, fields: {} }), {
      code: 'credentials_rejected',
    })
  })

  it('has an example with fields that judges them', async () => {
    const method = await oauthMethodOf('fields')
    const { values, errors } = method.fields?.parse({ tenant: ' Acme.acme.example' }) ?? assert.fail()
    assert.deepEqual([values, errors], [{ tenant: 'acme' }, []])
    assert.equal(method.tokenUrl(values), 'https://acme.acme.example/token')
    assert.equal(method.fields?.parse({ tenant: 'evil.example/' }).errors.length, 1)
    const german = method.fields?.translate?.(['de-AT']) ?? assert.fail()
    assert.deepEqual(
      german
        .errors(method.fields?.parse({ tenant: 'evil.example/' }).errors ?? [])
        .map(({ message }) => message),
      ['Buchstaben, Ziffern und Bindestriche.'],
    )
  })

  it('has an example of every quirk that its table names', async () => {
    const method = await oauthMethodOf('quirks')
    const table = page.slice(page.indexOf('### Quirks'), page.indexOf('Without any option'))
    const named = [...table.matchAll(/^\| (`[^|]+?) +\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)/g)].map(([, option = '']) => option),
    )
    assert.ok(named.length >= 20)
    const unused = named.filter(
      (option) => !(option in method) && option !== 'normaliseTokenResponse' && option !== 'revoke',
    )
    assert.deepEqual(unused, [])
  })

  it('has an example with an app at each server', async () => {
    const { customers } = await run('chosen')
    assert.ok(typeof customers === 'object' && customers !== null && 'connect' in customers)
    const method = oauthOf(customers as Integration)
    const { values } = method.fields?.parse({ server: 'git.two.example' }) ?? assert.fail()
    assert.equal(method.appAt?.(method.issuer?.(values) ?? '')?.clientId, 'id-at-two')
    assert.equal(method.appAt?.('https://evil.example'), undefined)
    assert.deepEqual(
      [method.responseMode, method.client.installUrl],
      ['form_post', 'https://app.example.com/integrations/acme'],
    )
  })

  it('has an example of the other ways to connect', async () => {
    const { customers } = await run('ways')
    assert.ok(typeof customers === 'object' && customers !== null && 'connect' in customers)
    const { connect } = customers as Integration
    assert.deepEqual(
      connect?.methods.map(({ id }) => id),
      ['clientCredentials', 'apiKey'],
    )
  })

  it('names every declared provider', async () => {
    const files = await readdir(join(import.meta.dirname, 'providers'))
    for (const name of files) assert.match(page, new RegExp(`^\\| \`${name.replace(/\.ts$/, '')}\` `, 'm'))
  })
})

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { defineIntegration, type DefinedOptions } from './define-integration.ts'
import type { MethodDefinitions } from './defined-methods.ts'

const identify = async () => ({ identity: { id: '1', label: 'one' } })
const verify = identify
const endpoints = { tokenUrl: 'https://acme.example/token', identify } as const
const code = { ...endpoints, authorizationUrl: 'https://acme.example/authorize' } as const
const oauth = { clientId: 'id', clientSecret: 'secret', scopes: ['a'] }

const make = (methods: MethodDefinitions, options: Partial<DefinedOptions> = {}) =>
  defineIntegration({ provider: 'acme', name: 'Acme', methods, client: () => ({}), tasks: {} })({
    id: 'acme',
    connect: true,
    oauth,
    ...options,
  })

/** `code option` of what making it throws. */
function refusal(methods: MethodDefinitions, options: Partial<DefinedOptions> = {}): string | undefined {
  try {
    make(methods, options)
    return undefined
  } catch (error) {
    if (!isAuthFlowError(error)) throw error
    assert.doesNotMatch(error.message, /planted/)
    return `${error.code} ${error.details.option}`
  }
}

const all: MethodDefinitions = {
  basic: { verify },
  apiKey: { verify },
  clientCredentials: endpoints,
  device: { ...endpoints, deviceAuthorizationUrl: 'https://acme.example/device' },
  oauth2: code,
}

describe('methods of a definition', () => {
  it('are offered in one order, those that need the host’s app only with it, and only those that the host wants', () => {
    const ids = (options: Partial<DefinedOptions> = {}) =>
      make(all, options).connect?.methods.map(({ id }) => id)
    const everything = ['oauth2', 'device', 'clientCredentials', 'apiKey', 'basic'] as const
    assert.deepEqual(ids({ methods: everything }), everything)
    assert.deepEqual(ids(), ['oauth2', 'clientCredentials', 'apiKey', 'basic'], 'device codes are asked for')
    const { device, apiKey } = all
    assert.deepEqual(
      make({ ...(device ? { device } : {}), ...(apiKey ? { apiKey } : {}) }).connect?.methods.map(
        ({ id }) => id,
      ),
      ['device', 'apiKey'],
    )
    const { oauth: _, ...without } = { id: 'acme', connect: true, oauth }
    const bare = defineIntegration({
      provider: 'acme',
      name: 'Acme',
      methods: all,
      client: () => ({}),
      tasks: {},
    })
    assert.deepEqual(
      bare(without).connect?.methods.map(({ id }) => id),
      ['clientCredentials', 'apiKey', 'basic'],
    )
    assert.deepEqual(ids({ methods: ['apiKey', 'device'] }), ['device', 'apiKey'])
    assert.equal(refusal({ apiKey: { verify } }, { methods: ['device'] }), 'invalid_option methods')
    assert.equal(refusal(all, { methods: [] }), 'missing_option oauth')
  })

  it('get careful defaults', () => {
    const methods = ['oauth2', 'device', 'clientCredentials'] as const
    const [first, second, third] = make(all, { methods }).connect?.methods ?? []
    assert.ok(first?.id === 'oauth2' && second?.id === 'device' && third?.id === 'clientCredentials')
    assert.deepEqual([first.pkce, first.clientAuth, first.rotation], ['S256', 'basic', 'strict'])
    assert.deepEqual([second.clientAuth, second.rotation, second.client.scopes], ['basic', 'strict', ['a']])
    assert.deepEqual([third.clientAuth, third.rotation, third.scopes], ['basic', 'none', []])
    assert.deepEqual(
      third.fields.form.map(({ name, secret }) => [name, secret]),
      [
        ['clientId', false],
        ['clientSecret', true],
      ],
    )
  })

  it('are refused when they cannot work, with the option named', () => {
    const oidc = { jwksUrl: () => 'https://acme.example/jwks' }
    const issuer = () => 'https://acme.example'
    const { privateKey } = generateKeyPairSync('ed25519')
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    assert.equal(refusal({ oauth2: { ...code, pkce: { off: ' ' } } }), 'invalid_option pkce.off')
    assert.equal(refusal({ oauth2: { ...code, oidc } }), 'invalid_option issuer')
    assert.equal(refusal({ oauth2: { ...code, oidc, issuer } }), undefined)
    assert.equal(refusal({ oauth2: { ...code, tokenUrl: 'acme.example/token' } }), 'invalid_option tokenUrl')
    assert.equal(refusal({ oauth2: { ...code, authorizationUrl: '/x' } }), 'invalid_option authorizationUrl')
    const signing = { oauth2: { ...code, issuer, clientAuth: 'privateKeyJwt' } } as const
    assert.equal(refusal({ oauth2: { ...code, clientAuth: 'privateKeyJwt' } }), 'invalid_option issuer')
    assert.equal(refusal(signing), 'missing_option oauth.privateKey')
    const app = { clientId: 'id', scopes: [] }
    assert.equal(
      refusal(signing, { oauth: { ...app, privateKey: 'planted' } }),
      'invalid_option oauth.privateKey',
    )
    assert.equal(refusal(signing, { oauth: { ...app, privateKey: pem } }), undefined)
    assert.equal(refusal({ oauth2: { ...code, clientAuth: 'none' } }, { oauth: app }), undefined)
    assert.equal(refusal({ oauth2: code }, { oauth: app }), 'missing_option oauth.clientSecret')
    const noSecret = { clientCredentials: { ...endpoints, clientAuth: 'none' } } as const
    assert.equal(refusal(noSecret), 'invalid_option clientCredentials.clientAuth')
    assert.equal(
      refusal({ oauth2: code }, { oauth: { ...oauth, installUrl: 'x' } }),
      'invalid_option oauth.installUrl',
    )
  })

  it('hand the whole token answer and the app to identify', async () => {
    const seen: unknown[] = []
    const { connect } = make({
      oauth2: {
        ...code,
        identify: async (token, { tokens, client, request }) => {
          seen.push([token, tokens.members, client?.clientId, typeof request])
          return identify()
        },
      },
    })
    const [method] = connect?.methods ?? []
    assert.ok(method?.id === 'oauth2')
    const tokens = { accessToken: 'at', members: { instance_url: 'x' } }
    await method.identify(tokens, { fetch: async () => new Response(), fields: {} })
    assert.deepEqual(seen, [['at', { instance_url: 'x' }, 'id', 'function']])
  })
})

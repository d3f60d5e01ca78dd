import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Connection } from '../../shared/auth.ts'
import type { ConnectMethod, FlowView } from '../../shared/flow.ts'
import { firstSnapshot, fromConnection, fromMethods, fromView, nextSnapshot } from './flow.ts'

const methods: readonly ConnectMethod[] = [
  { id: 'oauth2', label: 'Sign in', fields: [], scopes: [] },
  {
    id: 'apiKey',
    label: 'Key',
    scopes: [],
    fields: [
      {
        name: 'apiKey',
        required: true,
        secret: true,
        normalise: [],
        schema: { type: 'string', title: 'Key', maxLength: 10 },
      },
    ],
  },
]

const connection: Connection = {
  id: 'c1',
  integration: 'slack',
  accountId: '1',
  state: 'active',
  method: 'oauth2',
  identity: { id: 'T1', label: 'ada', place: 'workspace Acme' },
  scopes: [],
  fields: {},
  createdAt: '2026-11-21T00:00:00.000Z',
  updatedAt: '2026-11-21T00:00:00.000Z',
}

const view: FlowView = {
  id: 'f',
  integration: 'slack',
  version: 2,
  stage: 'fields',
  methods,
  method: 'apiKey',
  fields: [],
  values: { shop: 'acme' },
  errors: [{ field: 'apiKey', reason: 'rejected', message: 'No.' }],
}

const first = firstSnapshot({ integration: 'slack' })

describe('firstSnapshot', () => {
  it('knows what the page says of the connection, and takes nothing else for a state', () => {
    const known = firstSnapshot({ integration: 'slack', status: 'needs_reauth', identity: 'ada' })
    assert.deepEqual([known.connectionState, known.identity], ['needs_reauth', 'ada'])
    assert.equal(firstSnapshot({ integration: 'slack', status: 'whatever' }).connectionState, 'none')
  })
})

describe('nextSnapshot', () => {
  it('is a new frozen object with the fields of the chosen method', () => {
    const next = nextSnapshot(first, { methods, method: 'apiKey', state: 'submitting' })
    assert.notEqual(next, first)
    assert(Object.isFrozen(next))
    assert.deepEqual([next.fields, next.busy], [methods[1]?.fields, true])
    assert.deepEqual(nextSnapshot(next, { method: 'oauth2', state: 'fields' }).fields, [])
  })
})

describe('fromMethods', () => {
  it('leaves one method where it is asked for and exists', () => {
    assert.deepEqual(fromMethods(methods, 'apiKey').methods, [methods[1]])
    assert.deepEqual(fromMethods(methods, 'basic').methods, methods)
    assert.deepEqual(fromMethods(methods, undefined).methods, methods)
  })
})

describe('fromConnection', () => {
  it('says who, and where', () => {
    const { identity: who, place } = fromConnection(connection)
    assert.deepEqual([who, place], ['ada', 'workspace Acme'])
    const { place: _, ...identity } = connection.identity
    assert.equal(fromConnection({ ...connection, identity }).place, '')
  })

  it('is none for nothing and for one that ended', () => {
    for (const gone of [undefined, { ...connection, state: 'disconnected' as const }]) {
      assert.deepEqual(fromConnection(gone), {
        connection: undefined,
        connectionState: 'none',
        identity: '',
        place: '',
      })
    }
  })
})

describe('fromView', () => {
  it('shows stage, method, values and errors; errors at fields are an error altogether', () => {
    const next = nextSnapshot(first, fromView(view, undefined))
    assert.deepEqual([next.state, next.method, next.values], ['fields', 'apiKey', { shop: 'acme' }])
    assert.equal(next.error?.code, 'invalid_fields')
    assert.deepEqual(next.error?.details.fields, view.errors)
  })

  it('has the server’s error, and none where there is none', () => {
    const error = { code: 'access_denied', message: 'Denied.', retryable: false, details: {} } as const
    assert.deepEqual(fromView({ ...view, stage: 'failed', errors: [], error }, undefined).error, error)
    assert.equal(fromView({ ...view, errors: [] }, undefined).error, undefined)
  })

  it('keeps the connection that is known where the view has none', () => {
    const known = nextSnapshot(first, fromConnection(connection))
    assert.equal(nextSnapshot(known, fromView(view, undefined)).connection, connection)
    const done = fromView({ ...view, stage: 'done', errors: [], connection }, undefined)
    assert.equal(nextSnapshot(first, done).connectionState, 'active')
  })

  it('takes the fields of the stage configure from the view', () => {
    const field = methods[1]?.fields ?? []
    const next = nextSnapshot(
      first,
      fromView({ ...view, stage: 'configure', method: 'oauth2', fields: field }, undefined),
    )
    assert.deepEqual(next.fields, field)
  })
})

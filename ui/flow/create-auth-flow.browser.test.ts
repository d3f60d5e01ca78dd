// The flow without elements, against a real authflow server.

import { equal } from '../fixtures/equal.ts'
import { cleanUp, connectServer, newAccount, until, type Addresses } from '../fixtures/page.ts'
import { ConnectError } from './connect-error.ts'
import { createAuthFlow } from './create-auth-flow.ts'
import type { ConnectFlow } from './flow.ts'
import { rememberFlow } from './pending.ts'
import { resumeAuthFlow } from './resume.ts'

const values = { workspace: 'acme', apiKey: 'good-key', region: 'us' }

describe('createAuthFlow', () => {
  let server: Addresses
  before(async () => {
    server = await connectServer()
  })
  afterEach(cleanUp)

  const options = (accountId = newAccount()) => ({
    integration: 'kinds',
    accountId,
    tokenUrl: `${server.backend}/${accountId}`,
  })
  const inState = (flow: ConnectFlow, state: string): Promise<boolean> =>
    until(() => flow.getSnapshot().state === state, `state ${state}`)

  it('connects: the promise has the connection, and so have those who come late', async () => {
    const flow = createAuthFlow(options())
    const connecting = flow.connect()
    await inState(flow, 'fields')
    equal(
      flow.getSnapshot().fields.map(({ name }) => name),
      ['workspace', 'apiKey', 'region', 'sandbox', 'note'],
    )
    flow.submit(values)
    const connection = await connecting
    equal([connection.state, connection.identity.label], ['active', 'acme us false'])
    equal((await flow.whenSettled()).connection?.id, connection.id)
    equal(flow.connection?.id, connection.id)
  })

  it('refuses the promise when the user gives up, and when the server says no', async () => {
    const codes: string[] = []
    const keep = (error: unknown): void =>
      void codes.push(error instanceof ConnectError ? error.code : String(error))
    const flow = createAuthFlow(options())
    const first = flow.connect().catch(keep)
    await inState(flow, 'fields')
    flow.cancel()
    await first
    await createAuthFlow({ ...options(), integration: 'nothing' })
      .connect()
      .catch(keep)
    equal(codes, ['access_denied', 'unknown_integration'])
  })

  it('brings errors of single fields back into the snapshot, and goes on in the same flow', async () => {
    const flow = createAuthFlow(options())
    flow.start()
    await inState(flow, 'fields')
    flow.submit({ ...values, workspace: '1' })
    await until(() => flow.getSnapshot().errors.length, 'the errors')
    const { state, errors, error } = flow.getSnapshot()
    equal([state, errors.map(({ field }) => field), error?.code], ['fields', ['workspace'], 'invalid_fields'])
    flow.submit(values)
    equal((await flow.whenSettled()).state, 'done')
  })

  it('has snapshots that never change, and the same one until something does', async () => {
    const flow = createAuthFlow(options())
    const before = flow.getSnapshot()
    let told = 0
    const unsubscribe = flow.subscribe(() => told++)
    equal([flow.getSnapshot() === before, Object.isFrozen(before), told], [true, true, 0])
    await flow.load()
    equal(
      [flow.getSnapshot() === before, before.name, flow.getSnapshot().name, told],
      [false, '', 'Kinds', 1],
    )
    unsubscribe()
    flow.start()
    equal([flow.getSnapshot().state, told], ['fields', 1])
  })

  it('reads the connection, reconnects the same identity and keeps it when another is chosen', async () => {
    const own = options()
    const first = createAuthFlow(own)
    await Promise.all([first.connect(), inState(first, 'fields').then(() => first.submit(values))])
    const flow = createAuthFlow(own)
    await flow.refresh()
    equal([flow.getSnapshot().connectionState, flow.getSnapshot().place], ['active', 'Kinds'])
    flow.reconnect()
    await inState(flow, 'fields')
    flow.submit({ ...values, workspace: 'other' })
    equal((await flow.whenSettled()).error?.code, 'identity_changed')
    equal(flow.getSnapshot().connectionState, 'active')
    flow.reconnect()
    flow.submit({ ...values, region: 'eu' })
    equal((await flow.whenSettled()).connection?.identity.label, 'acme eu false')
  })

  it('ignores steps that do not fit where it is', () => {
    const flow = createAuthFlow(options())
    flow.choose('apiKey')
    flow.cancel()
    flow.cancel()
    equal([flow.reopen(), flow.getSnapshot().state], [false, 'cancelled'])
  })
})

describe('resumeAuthFlow', () => {
  let server: Addresses
  before(async () => {
    server = await connectServer()
  })
  afterEach(cleanUp)

  it('is nothing where nothing was left, and idle again where the flow is not to be found', async () => {
    const own = { integration: 'kinds', accountId: newAccount(), tokenUrl: `${server.backend}/x` }
    equal(resumeAuthFlow(own), undefined)
    rememberFlow(own, { id: 'A'.repeat(22), purpose: 'create' })
    const flow = resumeAuthFlow(own)
    equal(flow?.getSnapshot().state, 'loading')
    await until(() => flow?.getSnapshot().state === 'idle', 'the end')
    equal(sessionStorage.length, 0)
  })
})

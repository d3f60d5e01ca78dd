// Whole servers, one after the other on one store: the second has an integration under another name. What was connected,
// asleep and registered under the old one goes on under the new one.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import { randomText } from '../shared/ids.ts'
import { AuthFlow } from './authflow.ts'
import { backends, type Backend } from './connect/fixtures/backends.ts'
import { boardIntegration, boardSource, startBoard } from './fixtures/board.ts'
import { callPublic, dig, encryptionKeys, keepLog, pageOrigin } from './http/fixtures/test-server.ts'
import { until } from './jobs/fixtures/engine-fixture.ts'
import { DynamicTrigger } from './triggers/dynamic-trigger.ts'
import { eventTrigger } from './triggers/event-trigger.ts'

type Client = AuthFlow<readonly [ReturnType<typeof boardIntegration>]>

/** A server on one store and one address, which is started anew under another name of its integration. */
async function startWorld(backend: Backend) {
  const directory = await mkdtemp(join(tmpdir(), 'authflow-rename-'))
  const given = backend.open()
  const board = await startBoard()
  let handler: RequestListener = () => undefined
  const web = createServer((req, res) => handler(req, res))
  await once(web.listen(0, '127.0.0.1'), 'listening')
  const address = web.address()
  assert(typeof address === 'object' && address !== null)
  const url = `http://localhost:${address.port}`
  const seen: unknown[] = []
  let current: { client: Client; notes: DynamicTrigger<{ board: string }, Note>; id: string } | undefined
  return {
    board,
    url,
    seen,
    get now() {
      assert(current)
      return current
    },
    /** Ends the server and starts one that calls the integration so. */
    async open(id: string): Promise<void> {
      await current?.client.close()
      const integration = boardIntegration(id, board)
      const client = new AuthFlow({
        environment: 'test',
        baseUrl: url,
        store: given ?? `sqlite:${join(directory, 'test.db')}`,
        encryptionKeys,
        logger: keepLog(),
        rateLimits: false,
        integrations: [integration],
      })
      handler = client.callback()
      current = { client, id, notes: defineAll({ client, integration, board, seen }) }
      await client.start()
    },
    async close(): Promise<void> {
      await current?.client.close()
      web.closeAllConnections()
      await new Promise((resolve) => web.close(resolve))
      await board.close()
      await backend.drop(given)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

type World = Awaited<ReturnType<typeof startWorld>>
type Note = { text: string; readAs: string }

/** The same jobs and the same trigger on every server. */
function defineAll({
  client,
  integration,
  board,
  seen,
}: {
  readonly client: Client
  readonly integration: ReturnType<typeof boardIntegration>
  readonly board: World['board']
  readonly seen: unknown[]
}) {
  const note = z.object({ text: z.string(), readAs: z.string() })
  const notes = new DynamicTrigger(client, {
    id: 'notes',
    event: { name: 'note', provider: 'board', title: 'Note', schema: note },
    source: boardSource(integration, board),
  })
  client.defineJob({
    id: 'answer',
    name: 'Answer',
    version: '1.0.0',
    trigger: notes,
    integrations: { pad: integration },
    run: async (payload, io, ctx) => {
      await io.pad.post('answer', { text: `re ${payload.text}` })
      seen.push([ctx.account?.id, ctx.source?.id, payload.text, payload.readAs])
    },
  })
  client.defineJob({
    id: 'write',
    name: 'Write',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'write', schema: z.object({ text: z.string() }) }),
    integrations: { pad: integration },
    run: async ({ text }, io) => {
      await io.pad.post('write', { text })
    },
  })
  client.defineJob({
    id: 'twice',
    name: 'Twice',
    version: '1.0.0',
    trigger: eventTrigger({ name: 'twice' }),
    integrations: { pad: integration },
    run: async (_payload, io) => {
      await io.pad.post('first', { text: 'first' })
      await io.waitForEvent('word', { name: 'go on' })
      await io.pad.post('second', { text: 'second' })
    },
  })
  return notes
}

/** Connects an account with the key of a person, as a form would. */
async function connect(world: World, accountId: string, person: string): Promise<void> {
  const { url, board } = world
  const { client, id } = world.now
  const key = `key of ${person}`.replaceAll(' ', '-')
  board.people.set(key, person)
  const found = await client.connections.list({ accountId, integration: id })
  const purpose = found.items.some(({ state }) => state !== 'disconnected') ? 'reconnect' : 'create'
  const asked = { accountId, integrations: [id], origins: [pageOrigin], purpose } as const
  const { token } = await client.connectTokens.create(asked)
  const flowId = randomText(22)
  const begun = await callPublic({ url }, 'flows.begin', { token, input: { flowId, integration: id } })
  const version = dig(begun.body, 'result', 'data', 'version')
  const input = { flowId, version, method: 'apiKey', values: { apiKey: key } }
  const submitted = await callPublic({ url }, 'flows.submit', { token, input })
  assert.equal(submitted.status, 200, JSON.stringify(submitted.body))
  assert.equal((await client.connections.get({ integration: id, accountId })).state, 'active')
}

for (const backend of backends) {
  describe(`AuthFlow.integrations.rename (${backend.name})`, { skip: backend.skip }, () => suite(backend))
}

function suite(backend: Backend): void {
  let world: World
  before(async () => {
    world = await startWorld(backend)
  })
  after(() => world.close())

  const send = async (name: string, accountId: string, payload = {}): Promise<string> => {
    const { runIds } = await world.now.client.sendEvent({ name, payload }, { accountId })
    assert.equal(runIds.length, 1)
    return runIds[0] ?? ''
  }
  const reaches = (id: string, state: string) =>
    until(`run ${state}`, async () => {
      const run = await world.now.client.runs.get({ id })
      if (run.state === state) return run
      if (run.endedAt !== null) assert.fail(`the run is ${run.state}: ${JSON.stringify(run.error)}`)
      return undefined
    })
  const wordTo = (accountId: string) =>
    world.now.client.sendEvent({ name: 'go on', payload: {} }, { accountId })
  const rename = async (from: string, to: string, moved: number): Promise<void> => {
    assert.deepEqual(await world.now.client.integrations.rename({ from, to }), {
      from,
      to,
      moved,
      done: true,
    })
  }
  const written = (text: string) => world.board.notes.filter((note) => note === text).length

  it('gives the credentials by the new name, and to runs that were asleep or waited', async () => {
    await world.open('old')
    await connect(world, 'ada', 'ada')
    const auth = await world.now.client.getAuth({ id: 'old', accountId: 'ada' })
    const asleep = await send('twice', 'ada')
    await reaches(asleep, 'waiting')
    await connect(world, 'bea', 'bea')
    world.board.people.delete('key-of-bea')
    const broken = await send('write', 'bea', { text: 'broken' })
    const early = await send('write', 'early', { text: 'early' })
    await world.now.client.accounts.rename({ from: 'early', to: 'late' })
    for (const run of [broken, early]) await reaches(run, 'waiting_for_connection')

    await world.open('new')
    // Sent before anything has the new name.
    const between = await send('write', 'ada', { text: 'between' })
    await reaches(between, 'waiting_for_connection')
    await rename('old', 'new', 2)
    const renamed = await world.now.client.getAuth({ id: 'new', accountId: 'ada' })
    assert(auth.type === 'apiKey' && renamed.type === 'apiKey')
    assert.deepEqual([renamed.apiKey, renamed.identity], [auth.apiKey, auth.identity])
    const { client } = world.now
    const byOldName: { id: string; accountId: string } = { id: 'old', accountId: 'ada' }
    await assert.rejects(client.getAuth(byOldName), { code: 'unknown_integration' })
    await reaches(between, 'succeeded')
    await wordTo('ada')
    await reaches(asleep, 'succeeded')
    assert.deepEqual(['ada: first', 'ada: between', 'ada: second'].map(written), [1, 1, 1])
    await connect(world, 'bea', 'bea')
    await connect(world, 'late', 'late')
    await reaches(broken, 'succeeded')
    await reaches(early, 'succeeded')
    assert.deepEqual(['bea: broken', 'late: early'].map(written), [1, 1])
  })

  it('keeps runs with the identity that they began as', async () => {
    await world.open('before')
    await connect(world, 'dora', 'dora')
    const asleep = await send('twice', 'dora')
    await reaches(asleep, 'waiting')
    await world.open('after')
    await rename('before', 'after', 1)
    await world.now.client.connections.disconnect({ integration: 'after', accountId: 'dora' })
    await connect(world, 'dora', 'eve')
    await wordTo('dora')
    const { error } = await reaches(asleep, 'failed')
    assert.equal(error?.code, 'identity_changed')
    assert.equal(written('eve: second'), 0)
  })

  it('delivers events of registrations as the account, once, at the address and with the secret that they had', async () => {
    await world.open('first')
    await connect(world, 'finn', 'finn')
    const made = await world.now.notes.register('one', { board: 'finns' }, { accountId: 'finn' })
    const waiting = await world.now.notes.register('two', { board: 'gwens' }, { accountId: 'gwen' })
    assert.deepEqual([made.state, waiting.state], ['active', 'waiting'])
    const hooks = [...world.board.hooks.values()]
    assert.equal(hooks.length, 1)
    await world.now.notes.register('three', { board: 'again' }, { accountId: 'finn' })
    await world.open('second')
    // Code that registers whenever it starts does so before the rename, too.
    const again = await world.now.notes.register('three', { board: 'again' }, { accountId: 'finn' })
    assert.deepEqual([again.state, again.error?.code], ['waiting', 'not_connected'])
    await rename('first', 'second', 1)
    await until('the name', async () => (await world.now.notes.get('one')).integration === 'second')
    assert.deepEqual(await world.board.happen('finns', 'hello'), [200])
    await until('the answer', () => world.seen.length > 0)
    assert.equal(await world.board.repeat(), 200)
    await connect(world, 'gwen', 'gwen')
    await until('the webhook', async () => (await world.now.notes.get('two')).state === 'active')
    assert.deepEqual(await world.board.happen('gwens', 'hi'), [200])
    await until('both', () => world.seen.length > 1)
    await until('the third', async () => (await world.now.notes.get('three')).state === 'active')
    assert.deepEqual(await world.board.happen('again', 'once more'), [200])
    await until('all', () => world.seen.length > 2)
    assert.deepEqual(world.seen.splice(0), [
      ['finn', 'one', 'hello', 'finn'],
      ['gwen', 'two', 'hi', 'gwen'],
      ['finn', 'three', 'once more', 'finn'],
    ])
    assert.deepEqual(['finn: re hello', 'gwen: re hi'].map(written), [1, 1])
    assert.deepEqual([...world.board.hooks.values()].slice(0, 1), hooks)
    const { items } = await world.now.client.runs.list({ job: 'answer' })
    assert.equal(items.length, 3)
  })
}

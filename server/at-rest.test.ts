// B1, B3 and B4 on rows of a real database, through the product: what somebody with access to the database alone can do.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { everyNth } from '../scripts/case-counts.ts'
import { printFigure } from '../scripts/figure.ts'
import { isAuthFlowError } from '../shared/errors.ts'
import { AuthFlow } from './authflow.ts'
import { connectionIdOf } from './connect/connection-id.ts'
import { secretBox } from './connect/secrets.ts'
import { connectionSet } from './connect/sets.ts'
import {
  accountOf,
  apiKeyOf,
  clientOf,
  environment,
  newKey,
  openGround,
  seedConnections,
} from './fixtures/seeded-store.ts'
import type { Store } from './store/store.ts'
import { canarySet, listCanaries } from './vault/canary.ts'
import { createVault } from './vault/create-vault.ts'
import { parseKeyRing } from './vault/key-ring.ts'

const [k1, k2] = [newKey('k1'), newKey('k2')]
const count = 12
let directory = ''
let url = ''
let store: Store
let client: ReturnType<typeof clientOf>
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-at-rest-'))
  url = `sqlite:${join(directory, 'test.db')}`
  await seedConnections(url, k1, count)
  ;({ store } = await openGround(url, k1))
  client = clientOf(url, k1)
})
after(async () => {
  await client.close()
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

const idOf = (index: number): string => connectionIdOf('keys', accountOf(index))
async function secretsOf(index: number): Promise<Record<string, string>> {
  const record = await store.get(connectionSet, idOf(index))
  assert.ok(record)
  return { ...record.secrets }
}
const write = (index: number, secrets: Record<string, string>): Promise<boolean> =>
  store.update(connectionSet, idOf(index), {}, { set: { secrets } })

/** Asks as the product does. Refused with one error that shows nothing; never with somebody's key. */
async function refuses(index: number, note: string): Promise<void> {
  try {
    const auth = await client.getAuth({ id: 'keys', accountId: accountOf(index) })
    assert.fail(`${note}: got ${inspect(auth)}`)
  } catch (error) {
    assert.ok(isAuthFlowError(error), `${note}: ${inspect(error)}`)
    assert.equal(error.code, 'unreadable_ciphertext', note)
    assert.equal(error.toReply().code, 'internal')
    assert.ok(!inspect(error, { depth: 9 }).includes('canary-key'), note)
  }
}

describe('B3: a sealed value in another row', () => {
  it('is refused for every pair of rows, and for every pair of fields', async () => {
    const rows = await Promise.all(Array.from({ length: count }, (_, index) => secretsOf(index)))
    let refused = 0
    for (const [to, own] of rows.entries()) {
      for (const [from, other] of rows.entries()) {
        if (from === to) continue
        await write(to, other)
        await refuses(to, `the secrets of ${from} in ${to}`)
        refused += 1
      }
      await write(to, { ...own, 'field.apiKey': own['field.note'] ?? '' })
      await refuses(to, `another field of ${to}`)
      refused += 1
      await write(to, own)
      const auth = await client.getAuth({ id: 'keys', accountId: accountOf(to) })
      assert.equal(auth.type === 'apiKey' && auth.apiKey, apiKeyOf(to))
    }
    printFigure({
      requirement: 'B3',
      name: 'swapped between rows of a database, refused',
      value: refused,
      unit: `of ${count * count}`,
    })
  })

  it('is refused for every part of its place, by itself and together with others', async () => {
    const own = await secretsOf(0)
    const parts = [
      { environment: 'production' },
      { recordType: 'flow' },
      { recordId: idOf(1) },
      { integration: 'other' },
      { accountId: accountOf(1) },
      { field: 'field.note' },
      { kid: 'k2' },
    ] as const
    const place = {
      recordType: 'credential',
      recordId: idOf(0),
      integration: 'keys',
      accountId: accountOf(0),
      field: 'field.apiKey',
    } as const
    for (let mask = 1; mask < 2 ** parts.length; mask += 1) {
      const changed = Object.assign({}, ...parts.filter((_, bit) => mask & (1 << bit))) as Record<
        string,
        string
      >
      const { environment: where = environment, kid = 'k1', ...rest } = changed
      const ring = parseKeyRing(kid === 'k1' ? k1 : `k2:${k1.slice(3)}`)
      const sealed = createVault<string>({ keys: ring, environment: where }).seal(apiKeyOf(0), {
        ...place,
        ...rest,
      })
      // The thief writes the id of the key that the victim has.
      await write(0, { ...own, 'field.apiKey': sealed.replace('v1.k2.', 'v1.k1.') })
      await refuses(0, inspect(changed))
    }
    await write(0, own)
    printFigure({ requirement: 'B3', name: 'sealed for another place, refused', value: 127, unit: 'of 127' })
  })
})

describe('B4: a sealed value that was altered', () => {
  it('is refused whichever bit of it is flipped and wherever it is cut, in the database', async () => {
    const own = await secretsOf(1)
    const [format, kid, body = ''] = (own['field.apiKey'] ?? '').split('.')
    const bytes = Buffer.from(body, 'base64url')
    const texts = [
      ...Array.from(bytes, (byte, at) => Buffer.from(bytes).fill(byte ^ (1 << (at % 8)), at, at + 1)),
      ...Array.from(bytes, (_, at) => bytes.subarray(0, at)),
      ...[4, 8, 12, 15].map((length) =>
        Buffer.concat([bytes.subarray(0, 76), bytes.subarray(76, 76 + length), bytes.subarray(92)]),
      ),
    ].map((altered) => `${format}.${kid}.${altered.toString('base64url')}`)
    for (const text of [...texts, '', 'v1', 'v1.k1.', `s1.k1.${body}`, `v1.k2.${body}`, apiKeyOf(1)]) {
      await write(1, { ...own, 'field.apiKey': text })
      await refuses(1, text.slice(0, 20))
    }
    await write(1, own)
    printFigure({
      requirement: 'B4',
      name: 'altered values in a database, refused',
      value: texts.length + 6,
      unit: `of ${texts.length + 6}`,
    })
  })
})

describe('B1: no key, or a wrong one', () => {
  const main = fileURLToPath(new URL('./fixtures/ring-process.ts', import.meta.url))
  const exit = async (keys: string): Promise<{ code: number | null; output: string }> => {
    const env = { ...process.env, RING_STORE: url, RING_KEYS: keys, RING_WORK: 'read 1', RING_ROWS: '1' }
    const child = spawn(process.execPath, ['--import', 'tsx', main], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (output += data.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, output }
  }

  it('ends the process with another exit code than 0, and shows nothing of the keys', async () => {
    const other = `k1:${k2.slice(3)}`
    const cases: [string, string][] = [
      [other, 'wrong_encryption_key'],
      ['', 'missing_encryption_key'],
      ['k1:c2hvcnQ=', 'invalid_encryption_key'],
      [k2, 'wrong_encryption_key'],
    ]
    // Each starts a server; the first stays in any case.
    const tried = everyNth(4, cases)
    const results = await Promise.all(tried.map(([keys]) => exit(keys)))
    for (const [index, { code, output }] of results.entries()) {
      const [keys = '', expected = ''] = tried[index] ?? []
      assert.notEqual(code, 0)
      assert.ok(output.includes(expected), output)
      assert.ok(keys === '' || !output.includes(keys.slice(3)))
    }
  })

  it('turns readiness off when the canary does not open any more', async () => {
    const http = createServer((req, res) => ready.callback()(req, res))
    await once(http.listen(0, '127.0.0.1'), 'listening')
    const address = http.address()
    assert.ok(typeof address === 'object' && address !== null)
    const origin = `http://localhost:${address.port}`
    const ready = new AuthFlow({
      environment,
      baseUrl: origin,
      store: url,
      encryptionKeys: k1,
      integrations: [],
      worker: false,
      log: 'silent',
    })
    const status = async (): Promise<number> => {
      // An answer of the check is good for half a second.
      await new Promise((resolve) => setTimeout(resolve, 600))
      return (await fetch(`${origin}/readyz`)).status
    }
    assert.equal(await status(), 200)
    const [canary] = await listCanaries(store, environment)
    assert.ok(canary)
    const foreign = createVault({ keys: parseKeyRing(`k1:${k2.slice(3)}`), environment })
    const sealed = foreign.seal('authflow canary', {
      recordType: 'canary',
      recordId: canary.id,
      integration: '',
      accountId: '',
      field: 'sealed',
    })
    await store.update(canarySet, canary.id, {}, { set: { sealed } })
    assert.equal(await status(), 503)
    await store.update(canarySet, canary.id, {}, { set: { sealed: canary.sealed } })
    assert.equal(await status(), 200)
    http.closeAllConnections()
    http.close()
    await ready.close()
  })
})

describe('secretBox', () => {
  it('opens nothing of one kind of record as another', async () => {
    const vault = createVault({ keys: parseKeyRing(k1), environment })
    const owner = { id: 'x', integration: 'keys', accountId: 'a' }
    const sealed = secretBox(vault, 'credential').seal(owner, { a: 'text' })
    for (const kind of ['flow', 'authorization', 'teardown'] as const) {
      assert.throws(() => secretBox(vault, kind).openAll(owner, sealed), { code: 'unreadable_ciphertext' })
    }
  })
})

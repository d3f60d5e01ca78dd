// B2 and D6: a thousand connections with planted secrets, jobs that handle them carelessly, a provider that throws them
// about; then everything that is stored or written is searched for them, in every encoding they could hide in.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BSON, MongoClient } from 'mongodb'
import { printFigure } from '../scripts/figure.ts'
import { dropDatabase } from './fixtures/drop-database.ts'
import { newKey, seedConnections } from './fixtures/seeded-store.ts'
import { loadSqliteDriver } from './store/sqlite-driver.ts'

const count = 1000
const canary = 'canary-key-'
const mongoUrl = process.env['TEST_MONGODB_URL']
let directory = ''
before(async () => (directory = await mkdtemp(join(tmpdir(), 'authflow-plaintext-'))))
after(() => rm(directory, { recursive: true, force: true }))

/** The forms a secret can take: as it is, in UTF-16, as hex, and in base64 at each of three alignments. */
function needles(secret: string): Buffer[] {
  const base64 = ['', 'a', 'ab'].map((before) => {
    const text = Buffer.from(before + secret).toString('base64')
    return text.slice(before === '' ? 0 : 4, -4)
  })
  return [
    Buffer.from(secret),
    Buffer.from(secret, 'utf16le'),
    Buffer.from(Buffer.from(secret).toString('hex')),
    ...base64.map((text) => Buffer.from(text)),
  ]
}

function hits(data: Buffer, secrets: readonly string[]): string[] {
  return secrets.flatMap((secret) =>
    needles(secret)
      .filter((needle) => data.includes(needle))
      .map(() => secret),
  )
}

/** Runs jobs that handle secrets carelessly, in a process of its own; gives all that it wrote. */
async function runCareless(store: string, keys: string): Promise<string> {
  const script = fileURLToPath(new URL('./fixtures/careless-process.ts', import.meta.url))
  const env = { ...process.env, RING_STORE: store, RING_KEYS: keys }
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (output += data.toString()))
  await once(child, 'close')
  assert.match(output, /careless runs ended/, output)
  assert.match(output, /Unhandled|unhandled|triggerUncaughtException|AuthFlowError/, output)
  return output
}

const secretsOf = (keys: string): string[] => [canary, 'canary-thrown', 'canary-payload', keys.slice(3)]

describe('B2: secrets in what is stored and written', () => {
  it('are nowhere in a SQLite database, its journal, its dump, or the output of the process', async () => {
    const keys = newKey('k1')
    const path = join(directory, 'test.db')
    await seedConnections(`sqlite:${path}`, keys, count)
    // Held open, so that the journal is not folded into the database at the end.
    const { DatabaseSync } = await loadSqliteDriver()
    const held = new DatabaseSync(path)
    held.exec('PRAGMA wal_autocheckpoint = 0')
    const output = await runCareless(`sqlite:${path}`, keys)
    const files = await readdir(directory)
    assert.ok(files.includes('test.db-wal'), files.join())
    const raw = await Promise.all(files.map((name) => readFile(join(directory, name))))
    const dump = dumpOf(held)
    held.close()
    assert.ok(dump.includes('account-999') && dump.includes('run_'), 'the dump has everything')
    for (const data of [...raw, Buffer.from(dump), Buffer.from(output)]) {
      assert.deepEqual(hits(data, secretsOf(keys)), [])
    }
    const bytes = raw.reduce((sum, { length }) => sum + length, dump.length + output.length)
    printFigure({
      requirement: 'B2',
      name: `SQLite: planted secrets found in ${bytes} bytes`,
      value: 0,
      unit: 'hits',
    })
  })

  it(
    'are nowhere in a MongoDB database',
    { skip: mongoUrl === undefined && 'TEST_MONGODB_URL is not set' },
    async () => {
      const keys = newKey('k1')
      const url = new URL(mongoUrl ?? '')
      url.pathname = `/plaintext_${process.pid}`
      const client = await MongoClient.connect(url.href)
      try {
        await seedConnections(url.href, keys, count)
        const output = await runCareless(url.href, keys)
        let bytes = output.length
        assert.deepEqual(hits(Buffer.from(output), secretsOf(keys)), [])
        for (const { name } of await client.db().listCollections().toArray()) {
          for await (const document of client.db().collection(name).find()) {
            const data = Buffer.concat([BSON.serialize(document), Buffer.from(JSON.stringify(document))])
            bytes += data.length
            assert.deepEqual(hits(data, secretsOf(keys)), [], name)
          }
        }
        assert.ok(bytes > 1_000_000)
        printFigure({
          requirement: 'B2',
          name: `MongoDB: planted secrets found in ${bytes} bytes`,
          value: 0,
          unit: 'hits',
        })
      } finally {
        await client.close()
        await dropDatabase(url.href)
      }
    },
  )

  it('would be found: the search knows them when it sees them', () => {
    for (const text of [
      `x${canary}7`,
      Buffer.from(`{"a":"${canary}7"}`).toString('base64'),
      Buffer.from(canary).toString('hex'),
    ]) {
      assert.notDeepEqual(hits(Buffer.from(text), [canary]), [], text)
    }
  })
})

interface Readable {
  prepare(sql: string): { all(): unknown[] }
}

function dumpOf(database: Readable): string {
  const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all()
  return tables
    .flatMap((table) => database.prepare(`SELECT * FROM "${String(Object(table).name)}"`).all())
    .map((row) => JSON.stringify(row))
    .join('\n')
}

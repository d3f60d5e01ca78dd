// What docs/keys.md says about backups: taken while the server writes, restored with the right keys, and with others.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { MongoClient } from 'mongodb'
import { backends } from './connect/fixtures/backends.ts'
import {
  accountOf,
  apiKeyOf,
  clientOf,
  environment,
  newKey,
  openGround,
  seedConnections,
} from './fixtures/seeded-store.ts'
import { loadSqliteDriver } from './store/sqlite-driver.ts'
import { listProcesses, processSet } from './vault/ring-presence.ts'

const [k1, k2] = [newKey('k1'), newKey('k2')]
const count = 400
let directory = ''
let live = ''
let backup = ''

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-backup-'))
  live = join(directory, 'live.db')
  backup = join(directory, 'backup.db')
  await seedConnections(`sqlite:${live}`, k1, count)
})
after(() => rm(directory, { recursive: true, force: true }))

/** Copies the backup to a place of its own, as restoring does. */
async function restore(name: string): Promise<string> {
  const path = join(directory, `${name}.db`)
  await copyFile(backup, path)
  return `sqlite:${path}`
}

async function opensAll(url: string, keys: string): Promise<void> {
  const client = clientOf(url, keys)
  try {
    for (let index = 0; index < count; index += 1) {
      const auth = await client.getAuth({ id: 'keys', accountId: accountOf(index) })
      assert.equal(auth.type === 'apiKey' && auth.apiKey, apiKeyOf(index))
    }
  } finally {
    await client.close()
  }
}

async function doesNotStart(url: string, keys: string, text: RegExp): Promise<void> {
  const client = clientOf(url, keys)
  await assert.rejects(client.start(), { code: 'wrong_encryption_key', message: text })
  await assert.rejects(client.getAuth({ id: 'keys', accountId: accountOf(0) }), {
    code: 'wrong_encryption_key',
  })
  await client.close()
}

describe('a backup of a SQLite store', () => {
  it('is one whole file, taken with VACUUM INTO while another process writes', async () => {
    const writer = fileURLToPath(new URL('./fixtures/ring-process.ts', import.meta.url))
    const env = {
      ...process.env,
      RING_STORE: `sqlite:${live}`,
      RING_KEYS: k1,
      RING_WORK: 'read and write',
      RING_ROWS: String(count * 4),
    }
    const child = spawn(process.execPath, ['--import', 'tsx', writer], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    await once(child.stdout, 'data')
    const { DatabaseSync } = await loadSqliteDriver()
    const database = new DatabaseSync(live)
    database.exec(`VACUUM INTO '${backup}'`)
    database.close()
    child.stdin.end()
    await once(child, 'close')
    const last: unknown = JSON.parse(output.trim().split('\n').at(-1) ?? '')
    assert.deepEqual(Object(last).errors, [])
    assert.ok((await stat(backup)).size > 100_000)
    const check = new DatabaseSync(backup)
    assert.deepEqual(Object.values(check.prepare('PRAGMA integrity_check').get() ?? {}), ['ok'])
    check.close()
  })

  it('opens with the keys it was written with', async () => {
    await opensAll(await restore('right'), k1)
    await opensAll(await restore('with-a-new-key'), `${k2},${k1}`)
  })

  it('does not start with another key under the same id, or without the key', async () => {
    const url = await restore('wrong')
    await doesNotStart(url, `k1:${k2.slice(3)}`, /`k1` is not the one/)
    await doesNotStart(url, k2, /`k1`, which is not configured/)
    // Nothing was written by those tries: the right key still opens everything.
    await opensAll(url, k1)
  })

  it('from before a rotation needs the key that was retired since, and can be rotated again', async () => {
    const current = clientOf(`sqlite:${live}`, `${k2},${k1}`)
    assert.equal((await current.keys.rotate()).outcome, 'done')
    await current.keys.retire({ kid: 'k1' })
    await current.close()
    await opensAll(`sqlite:${live}`, k2)
    const url = await restore('before-the-rotation')
    await doesNotStart(url, k2, /`k1`/)
    const restored = clientOf(url, `${k2},${k1}`)
    // The backup remembers the process that was alive when it was taken. For 35 s it counts.
    await assert.rejects(restored.keys.rotate(), { code: 'key_not_rolled_out' })
    const { store } = await openGround(url, `${k2},${k1}`)
    for (const row of await listProcesses(store, environment)) {
      if (!row.kids.includes('k2')) await store.remove(processSet, row.id)
    }
    await store.close()
    assert.equal((await restored.keys.rotate()).outcome, 'done')
    await restored.close()
    await opensAll(url, `${k2},${k1}`)
  })

  it('holds no key and no secret', async () => {
    const { stdout } = spawnSync('grep', ['-c', '-a', '-e', 'canary-key', '-e', k1.slice(3, 40), backup], {
      encoding: 'utf8',
    })
    assert.equal(stdout.trim(), '0')
  })
})

const mongodb = backends.find(({ name }) => name === 'mongodb')

describe('a backup of a MongoDB store', { skip: mongodb?.skip }, () => {
  /** What mongodump and mongorestore do: every document of every collection, and nothing else. */
  async function copyDatabase(from: string, to: string): Promise<number> {
    const [source, target] = [new MongoClient(from), new MongoClient(to)]
    try {
      let copied = 0
      for (const { name } of await source.db().listCollections({}, { nameOnly: true }).toArray()) {
        const documents = await source.db().collection(name).find().toArray()
        if (documents.length > 0) await target.db().collection(name).insertMany(documents)
        copied += documents.length
      }
      return copied
    } finally {
      await source.close()
      await target.close()
    }
  }

  it('opens in a fresh database with the keys it was written with, and with no others', async () => {
    assert.ok(mongodb)
    const [from, to] = [mongodb.open() ?? '', mongodb.open() ?? '']
    try {
      await seedConnections(from, k1, count)
      assert.ok((await copyDatabase(from, to)) > count)
      // What is restored needs nothing of what was there before.
      await mongodb.drop(from)
      await doesNotStart(to, `k1:${k2.slice(3)}`, /`k1` is not the one/)
      await doesNotStart(to, k2, /`k1`, which is not configured/)
      await opensAll(to, k1)
      await opensAll(to, `${k2},${k1}`)
    } finally {
      await mongodb.drop(from)
      await mongodb.drop(to)
    }
  })
})

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { clientOf, newKey, seedConnections } from './fixtures/seeded-store.ts'
import { loadSqliteDriver } from './store/sqlite-driver.ts'

const [k1, k2] = [newKey('k1'), newKey('k2')]

describe('AuthFlow.examine', () => {
  let directory = ''
  let path = ''
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'authflow-examine-'))
    path = join(directory, 'test.db')
  })
  after(() => rm(directory, { recursive: true, force: true }))

  const examine = async (keys: string) => {
    const client = clientOf(`sqlite:${path}`, keys)
    try {
      return await client.examine()
    } finally {
      await client.close()
    }
  }
  /** Everything that tells one schema, one key and one process from another. */
  const contents = async (): Promise<unknown> => {
    const { DatabaseSync } = await loadSqliteDriver()
    const database = new DatabaseSync(path)
    const rows = ['set_vault_canaries', 'set_vault_processes', 'sqlite_schema'].map((table) =>
      database.prepare(`SELECT * FROM ${table}`).all(),
    )
    // A write and a read are tried; they leave this one row.
    const meta = database.prepare("SELECT * FROM authflow_meta WHERE key <> 'ping'").all()
    database.close()
    return JSON.parse(JSON.stringify([...rows, meta]))
  }

  it('makes no file where there is none', async () => {
    assert.deepEqual(await examine(k1), { schema: 'none', keys: [] })
    assert.equal(existsSync(path), false)
  })

  it('finds a store of this version, and leaves neither a process nor a key in it', async () => {
    await seedConnections(`sqlite:${path}`, k1, 3)
    const untouched = await contents()
    const { schema, answers, keys } = await examine(`${k2},${k1}`)
    assert.equal(schema, 'current')
    assert.ok(answers && answers.storeMs > 0 && answers.clockOffsetMs === 0)
    assert.deepEqual(
      keys.map(({ kid, state, wrote, readers }) => [kid, state, wrote, readers]),
      [
        ['k2', 'writing', false, 0],
        ['k1', 'reading', true, 0],
      ],
    )
    assert.deepEqual(await contents(), untouched)
  })

  it('finds keys that do not fit', async () => {
    await assert.rejects(examine(newKey('k1')), { code: 'wrong_encryption_key' })
    await assert.rejects(examine(k2), { code: 'wrong_encryption_key' })
  })

  it('finds a store of an older version, and does not bring it up to date', async () => {
    const { DatabaseSync } = await loadSqliteDriver()
    const database = new DatabaseSync(path)
    const indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'set_connections'"
    const query = `${indexes} AND name NOT LIKE 'x_%' AND sql IS NOT NULL`
    for (const row of database.prepare(query).all()) database.exec(`DROP INDEX "${String(Object(row).name)}"`)
    database.exec("UPDATE authflow_meta SET value = '{}' WHERE key = 'set:connections'")
    database.close()
    const older = await contents()
    assert.equal((await examine(k1)).schema, 'older')
    assert.deepEqual(await contents(), older)
    const client = clientOf(`sqlite:${path}`, k1)
    await client.start()
    await client.close()
    assert.equal((await examine(k1)).schema, 'current')
  })
})

// B7: what our code wrote into a database, read by another implementation in another language.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../../scripts/figure.ts'
import { connectionSet } from '../connect/sets.ts'
import {
  accountOf,
  apiKeyOf,
  environment,
  newKey,
  openGround,
  seedConnections,
} from '../fixtures/seeded-store.ts'

const python = '/usr/bin/python3'
const hasCryptography = spawnSync(python, ['-c', 'import cryptography']).status === 0
const skip = !hasCryptography && `${python} has no module cryptography (Debian: python3-cryptography)`
const count = 600

const directory = await mkdtemp(join(tmpdir(), 'authflow-python-'))
after(() => rm(directory, { recursive: true, force: true }))

interface Row {
  readonly sealed: string
  readonly place: Readonly<Record<string, string>>
  readonly plaintext: string
}

function openInPython(
  rows: readonly Omit<Row, 'plaintext'>[],
  keys: Readonly<Record<string, string>>,
): unknown[] {
  const input = rows
    .map(({ sealed, place }) => JSON.stringify({ sealed, place, keys, environment }))
    .join('\n')
  const script = fileURLToPath(new URL('./fixtures/open-rows.py', import.meta.url))
  const { stdout, stderr, status } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 1e8 })
  assert.equal(status, 0, stderr)
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

describe('B7: python3-cryptography', () => {
  it('opens 1,000 random rows that our code wrote, and refuses them anywhere else', { skip }, async () => {
    const url = `sqlite:${join(directory, 'test.db')}`
    const [k1, k2] = [newKey('k1'), newKey('k2')]
    await seedConnections(url, k1, count)
    const { store, vault } = await openGround(url, `${k2},${k1}`)
    const rows: Row[] = []
    for (const { id, accountId, integration, secrets } of await store.range(connectionSet, '', '~', count)) {
      const index =
        Array.from({ length: count }, (_, at) => at).find((at) => accountOf(at) === accountId) ?? -1
      for (const [field, sealed] of Object.entries(secrets)) {
        const place = { recordType: 'credential', recordId: id, integration, accountId, field }
        rows.push({ sealed, place, plaintext: field === 'field.note' ? `note ${index}` : apiKeyOf(index) })
      }
    }
    // Another key, the other format, and every kind of text.
    for (let index = 0; index < 200; index += 1) {
      const plaintext = index === 0 ? '' : `${'é👩‍🚀\0"\\'.repeat(index)}${index}`
      const session = vault.session('run', `run ${index % 7} ü`)
      const place = { recordType: 'run', recordId: `run ${index % 7} ü`, field: `output:${index}` }
      rows.push({ sealed: session.seal(plaintext, place.field), place, plaintext })
    }
    await store.close()
    rows.sort(() => Math.random() - 0.5)
    const chosen = rows.slice(0, 1000)
    assert.equal(chosen.length, 1000)
    const keys = Object.fromEntries([k1, k2].map((entry) => [entry.slice(0, 2), entry.slice(3)]))
    assert.deepEqual(
      openInPython(chosen, keys),
      chosen.map(({ plaintext }) => ({ plaintext })),
    )
    const moved = chosen.map(({ sealed, place }) => ({
      sealed,
      place: { ...place, field: `${place['field']}x` },
    }))
    assert.deepEqual(
      openInPython(moved, keys),
      chosen.map(() => ({ error: 'InvalidTag' })),
    )
    printFigure({
      requirement: 'B7',
      name: 'rows opened by python3-cryptography',
      value: 1000,
      unit: 'of 1000',
    })
  })
})

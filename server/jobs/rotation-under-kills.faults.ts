// X15, first half: the encryption keys are rotated while workers are killed. The second half, a disconnect during a run,
// is in disconnect-in-run.faults.ts.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { allSets, sealedSets } from '../sealed-sets.ts'
import { createVault } from '../vault/create-vault.ts'
import { createKeys } from '../vault/key-admin.ts'
import { countKeyUsage } from '../vault/key-usage.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import { encryptionKeys } from './fixtures/engine-fixture.ts'
import { assertWhole, withScene, type FaultScene } from './fixtures/fault-scene.ts'
import { jobBackends } from './fixtures/job-backends.ts'
import { Reaper } from './fixtures/reaper.ts'

const kills = isLong ? 60 : 3
const runsOfKill = 10
const tasks = 5
const seats = 2
const environment = 'test'
/** The scene itself has the old key only, so it sends before the rotation and workers send after it. */
const oldKey = encryptionKeys
const newKey = `k2:${randomBytes(32).toString('base64')}`
const promoted = `${newKey},${oldKey}`

async function rotate(scene: FaultScene): Promise<void> {
  let ring = `${oldKey},${newKey}`
  const worker = (): { env: Record<string, string> } => ({ env: { TEST_ENCRYPTION_KEYS: ring } })
  const reaper = new Reaper(scene, { seats, pauseMs: 150, worker })
  await scene.store.migrate(allSets, environment)
  const ids: string[] = []
  const sendAndKill = async (): Promise<void> => {
    const payload = { tasks, ms: 20 }
    const events = Array.from({ length: runsOfKill }, () => ({ name: 'steps', payload }))
    ids.push(...(await (await reaper.anyone()).send(events)).runs)
    await reaper.kill()
  }
  for (let kill = 0; kill < kills; kill += 1) await sendAndKill()
  ring = promoted
  await reaper.killAll()
  const vault = createVault({ keys: parseKeyRing(promoted), environment })
  const keys = createKeys({ store: scene.store, vault, environment, sets: allSets, sealedSets })
  const rotation = keys.rotate({ waitMs: 0 })
  for (let kill = 0; kill < kills; kill += 1) await sendAndKill()
  await rotation
  assertWhole(await scene.allOver(ids), tasks)
  // What was being executed is sealed anew by the end of the second one.
  assert.equal((await keys.rotate()).outcome, 'done')
  ring = newKey
  await reaper.killAll()
  const used = new Set((await countKeyUsage(scene.store, { sets: allSets })).map(({ kid }) => kid))
  assert.deepEqual([...used], ['k2'])
  const { effects, kills: killed } = reaper.judge()
  assert.equal(effects, ids.length * tasks)
  const { name } = scene.backend
  printFigure({ requirement: 'X15', name: `kills around a rotation, ${name}`, value: killed })
  printFigure({ requirement: 'X15', name: `runs, all done once, ${name}`, value: ids.length })
  printFigure({ requirement: 'X15', name: `values left on the old key, ${name}`, value: 0 })
}

describe('X15: keys that are rotated while workers are killed', { timeout: 1_000_000 }, () => {
  for (const backend of jobBackends)
    it(`lose no run, and nothing is left on the old key, on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, rotate),
    )
})

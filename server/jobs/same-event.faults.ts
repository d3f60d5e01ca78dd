// X14: eight processes send the same events at once. Each event starts one run, whoever is told so first.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { isLong } from '../connect/fixtures/backends.ts'
import { withScene, type FaultScene } from './fixtures/fault-scene.ts'
import { extraAttempts, type Fact } from './fixtures/history.ts'
import { jobBackends } from './fixtures/job-backends.ts'
import { runs } from './records.ts'

const processes = 8
/** Of them; the others only send. */
const workers = 2
const rounds = isLong ? 20 : 3
const eventsOfRound = 20

async function sendTogether(scene: FaultScene): Promise<void> {
  const senders = await Promise.all(
    Array.from({ length: processes }, (_, at) => scene.startWorker({ sendsOnly: at >= workers })),
  )
  const all = new Set<string>()
  for (let round = 0; round < rounds; round += 1) {
    const payload = { tasks: 1, ms: 2 }
    const events = Array.from({ length: eventsOfRound }, (_, at) => ({
      id: `${round}-${at}`,
      name: 'steps',
      payload,
    }))
    const reports = await Promise.all(senders.map((sender) => sender.send(events)))
    for (const report of reports) {
      assert.deepEqual(report.errors, [])
      assert.deepEqual(report.runs, reports[0]?.runs, 'every sender is told of the same runs')
      for (const run of report.runs) all.add(run)
    }
  }
  await scene.allOver([...all], 300_000)
  const { items } = await scene.store.list(runs, { index: 'all', equals: 'run', limit: 1000 })
  const sent = processes * rounds * eventsOfRound
  assert.equal(items.length, rounds * eventsOfRound)
  // A worker on a starved machine loses its lease; its runs are another's, who begins their tasks again.
  const history = scene.history()
  const claims = history.filter(({ kind }) => kind === 'claimed').map(({ run }) => run)
  const isTakenOnce = ({ run }: Fact): boolean => claims.indexOf(run) === claims.lastIndexOf(run)
  assert.equal(extraAttempts(history.filter(isTakenOnce)), 0)
  const { name } = scene.backend
  printFigure({ requirement: 'X14', name: `events sent by ${processes} processes, ${name}`, value: sent })
  printFigure({
    requirement: 'X14',
    name: `different ids among them, ${name}`,
    value: rounds * eventsOfRound,
  })
  printFigure({ requirement: 'X14', name: `runs, ${name}`, value: items.length })
}

describe('X14: processes that send the same event ids at once', { timeout: 1_200_000 }, () => {
  for (const backend of jobBackends)
    it(`start one run of each on ${backend.name}`, { skip: backend.skip }, () =>
      withScene(backend, sendTogether),
    )
})

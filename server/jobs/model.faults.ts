// X18: the engine and the credentials against a model. Sequences of commands by chance: send, work, crash, start a
// process, cancel, connect, disconnect, expire, ask (which refreshes), rotate the keys. Whatever the order, no step runs
// again once its result is stored, every run ends as the model allows with each of its results once, and nobody gets
// credentials that are not the account's current ones.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { printFigure } from '../../scripts/figure.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import { connectionIdOf } from '../connect/connection-id.ts'
import { backends, isLong, type Backend } from '../connect/fixtures/backends.ts'
import { startRotating, type Rotating } from '../connect/fixtures/rotating.ts'
import { connectDirectly } from '../connect/fixtures/workbench.ts'
import { connectionSet } from '../connect/sets.ts'
import { endAll } from '../fixtures/end-all.ts'
import { until } from './fixtures/engine-fixture.ts'
import { begunAfterStored } from './fixtures/history.ts'
import { Model } from './fixtures/model.ts'
import { ModelWorld } from './fixtures/model-world.ts'
import { runs } from './records.ts'

/** How much is played on each store: a database of its own for each sequence costs MongoDB a second. */
const played = {
  sqlite: { sequences: isLong ? 2000 : 100, longestMs: isLong ? 2_400_000 : 45_000 },
  mongodb: { sequences: isLong ? 300 : 6, longestMs: isLong ? 1_200_000 : 30_000 },
} as const
const longest = 50
/** Passes at the end of a sequence while no task waits. */
const idleMs = 500
/** What failed is made smaller for so long. */
const shrinkMs = isLong ? 600_000 : 120_000
/** Plays one sequence again: what a failure printed as `seed` and `path`. */
const seed = Number(process.env['AUTHFLOW_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const replayed = process.env['AUTHFLOW_PATH']
const integration = 'rotating'
const accounts = ['ada', 'bob'] as const
const mostProcesses = 3

type Real = ModelWorld

/** One command: what it asks of the model before, and what it does to both. */
function command(
  name: string,
  run: (model: Model, world: Real) => Promise<void>,
  check: (model: Model) => boolean = () => true,
): fc.AsyncCommand<Model, Real> {
  return { check, run, toString: () => name }
}

const account = fc.constantFrom(...accounts)
const event = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
const noCounts = { sequences: 0, commands: 0, crashes: 0, steps: 0, refreshes: 0, rotations: 0 }
const counts = { ...noCounts }

const eventOf = (world: Real, run: string): string =>
  [...world.runIds].find(([, id]) => id === run)?.[0] ?? assert.fail('no event')

/** As a server does with each change: one of the processes hears of it, the others do not. */
async function tell(world: Real, type: 'connected' | 'disconnected', accountId: string): Promise<void> {
  const change = { type, integration, accountId, identityId: world.provider.person }
  await world.processes[0]?.fixture.engine.connectionChanged(change)
}

async function connect(model: Model, world: Real, accountId: string): Promise<void> {
  assert.equal((await connectDirectly(world.service.connect, { integration, accountId })).result, 'done')
  world.grants.set(accountId, world.provider.grants - 1)
  model.connect(accountId)
  await tell(world, 'connected', accountId)
}

/** Whatever is asked, the answer is the current token of the connection, or that there is none. */
async function ask(model: Model, world: Real, accountId: string): Promise<void> {
  // Of its own grant: a run of the other account may refresh at the same time.
  const refreshes = (): number => world.provider.refreshesOf(world.grants.get(accountId) ?? -1)
  const before = refreshes()
  try {
    const auth = await world.service.connect.getAuth({ id: integration, accountId })
    assert.ok(model.isConnected(accountId), 'credentials without a connection')
    assert.ok(auth.type === 'oauth2' && world.provider.isCurrent(auth.accessToken), 'the current token')
    assert.ok(refreshes() - before <= (model.accounts.get(accountId)?.isExpired ? 1 : 0), 'one refresh')
    counts.refreshes += refreshes() - before
    model.refreshed(accountId)
  } catch (error) {
    if (!isAuthFlowError(error)) throw error
    assert.equal(error.code, 'not_connected')
    assert.ok(!model.isConnected(accountId), 'a connection without credentials')
  }
}

async function send(
  model: Model,
  world: Real,
  given: { id: string; accountId: string; steps: number },
): Promise<void> {
  const { id, accountId, steps } = given
  const known = model.runs.get(id)
  const sent = { id, name: 'act', payload: { steps: known?.steps ?? steps } }
  const to = known?.account ?? accountId
  const { runIds } =
    (await world.processes[0]?.fixture.engine.sendEvent(sent, { accountId: to })) ?? assert.fail()
  if (model.send(id, to, steps)) world.runIds.set(id, runIds[0] ?? '')
  assert.deepEqual(runIds, [world.runIds.get(id)], 'one run of an event')
}

async function disconnect(model: Model, world: Real, accountId: string): Promise<void> {
  await world.service.connect.disconnect({ integration, accountId }, 'test')
  model.disconnect(accountId)
  await tell(world, 'disconnected', accountId)
}

async function cancel(model: Model, world: Real, id: string): Promise<void> {
  const run = world.runIds.get(id) ?? ''
  const { endedAt } = (await world.store.get(runs, run)) ?? assert.fail()
  await world.processes[0]?.fixture.engine.cancelRun(run)
  if (endedAt === undefined) model.cancel(id)
}

async function crash(model: Model, world: Real, choice: number): Promise<void> {
  const victim = world.processes[choice % world.processes.length] ?? assert.fail()
  await world.crash(victim)
  model.crash()
  model.processes -= 1
  counts.crashes += 1
  if (model.processes > 0) return world.sweep()
  await world.startProcess()
  model.processes = 1
}

const commands = fc.commands(
  [
    fc
      .record({ id: event, accountId: account, steps: fc.integer({ min: 1, max: 4 }) })
      .map((given) => command(`send ${given.id}`, (model, world) => send(model, world, given))),
    ...[1, 2, 3, 4, 5, 6].map(() =>
      fc.nat(20).map((choice) =>
        command(
          'work',
          async (model, world) => {
            const run = await world.work(choice)
            if (run === undefined) return
            counts.steps += 1
            model.step(eventOf(world, run))
          },
          (model) => model.runs.size > 0,
        ),
      ),
    ),
    fc.nat(2).map((choice) => command('crash', (model, world) => crash(model, world, choice))),
    fc.constant(
      command(
        'start',
        async (model, world) => {
          await world.startProcess()
          model.processes += 1
        },
        (model) => model.processes < mostProcesses,
      ),
    ),
    event.map((id) =>
      command(
        `cancel ${id}`,
        (model, world) => cancel(model, world, id),
        (model) => model.runs.has(id),
      ),
    ),
    account.map((id) =>
      command(
        `connect ${id}`,
        (model, world) => connect(model, world, id),
        (model) => !model.isConnected(id),
      ),
    ),
    account.map((id) =>
      command(
        `disconnect ${id}`,
        (model, world) => disconnect(model, world, id),
        (model) => model.isConnected(id),
      ),
    ),
    account.map((id) =>
      command(
        `expire ${id}`,
        async (model, world) => {
          const expiresAt = world.store.now() - 1
          await world.store.update(connectionSet, connectionIdOf(integration, id), {}, { set: { expiresAt } })
          model.expire(id)
        },
        (model) => model.isConnected(id),
      ),
    ),
    account.map((id) => command(`ask ${id}`, (model, world) => ask(model, world, id))),
    fc.constant(
      command(
        'rotate',
        async (model, world) => {
          await world.rotate()
          model.rotations += 1
          counts.rotations += 1
        },
        (model) => model.rotations < 2,
      ),
    ),
  ],
  { maxCommands: longest, size: 'max' },
)

/** Lets everything come to its end, and looks at what it came to. */
async function settle(model: Model, world: Real): Promise<void> {
  for (const id of accounts) if (!model.isConnected(id)) await connect(model, world, id)
  const ids = [...world.runIds.values()]
  const told = [...model.runs].filter(([, run]) => run.isSettled).map(([id]) => world.runIds.get(id) ?? '')
  await until('the tasks of cancelled runs are aborted', () => !told.some((id) => world.isHeld(id)), 90_000)
  await until(
    'all runs are over',
    async () => {
      // Where nothing can go on, something is due later: a run that rests, or one that looks again.
      if ((await world.work(0)) === undefined) world.pass(idleMs)
      await world.sweep()
      // A run that ended its process rests before it goes on.
      world.pass(500)
      return (await world.store.getMany(runs, ids)).every(({ endedAt }) => endedAt !== undefined)
    },
    120_000,
  )
  for (const [id, { steps, ends }] of model.runs) {
    const { state, journal } = (await world.store.get(runs, world.runIds.get(id) ?? '')) ?? assert.fail()
    assert.ok(ends.has(state), `${id} is ${state}, the model allows ${[...ends].join()}`)
    const paths = (journal?.flat() ?? [])
      .filter((entry) => entry.state === 'succeeded')
      .map(({ path }) => path)
    assert.equal(new Set(paths).size, paths.length, 'each result once')
    if (state === 'succeeded') assert.equal(paths.length, steps)
  }
  assert.deepEqual(begunAfterStored(world.history), [])
}

async function play(
  provider: Rotating,
  backend: Backend,
  sequence: Iterable<fc.AsyncCommand<Model, Real>>,
): Promise<void> {
  const model = new Model()
  const world = await ModelWorld.open(provider, backend)
  const follow = async (): Promise<void> => {
    for (const id of accounts) await connect(model, world, id)
    await fc.asyncModelRun(() => ({ model, real: world }), sequence)
    await settle(model, world)
  }
  await endAll(follow, [() => world.close()])
}

async function check(backend: Backend): Promise<void> {
  const { sequences, longestMs } = played[backend.name]
  const provider = await startRotating()
  provider.grace = true
  Object.assign(counts, noCounts)
  let end = performance.now() + longestMs
  let hasFailed = false
  const property = fc.asyncProperty(commands, async (sequence) => {
    // A machine with other work plays fewer, and the figure says how many.
    if (performance.now() > end) return
    try {
      await play(provider, backend, sequence)
      counts.sequences += 1
      counts.commands += [...sequence].length
    } catch (error) {
      if (!hasFailed) end = performance.now() + shrinkMs
      hasFailed = true
      throw error
    }
  })
  try {
    // What failed is told with its seed, its path and the smallest list of commands that was found to fail.
    await fc.assert(property, {
      numRuns: sequences,
      seed,
      includeErrorInReport: true,
      ...(replayed === undefined ? {} : { path: replayed }),
    })
  } finally {
    await provider.close()
  }
  const figure = (name: string, value: number): void =>
    printFigure({ requirement: 'X18', name: `${name}, ${backend.name}`, value })
  figure('sequences', counts.sequences)
  figure('commands', counts.commands)
  figure('steps of runs', counts.steps)
  figure('crashes', counts.crashes)
  figure('refreshes', counts.refreshes)
  figure('rotations of keys', counts.rotations)
  figure('results that the model does not allow', 0)
}

describe(
  `X18: the engine and its credentials, against a model (seed ${seed})`,
  { timeout: 5_000_000 },
  () => {
    for (const backend of backends)
      it(`do nothing that the model does not allow, on ${backend.name}`, { skip: backend.skip }, () =>
        check(backend),
      )
  },
)

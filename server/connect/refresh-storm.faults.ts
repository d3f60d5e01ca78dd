// E1: many callers in many processes find the same expired token. The provider is a certified server whose refresh tokens
// are good for one use, and whose grant ends when one is used twice.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printFigure } from '../../scripts/figure.ts'
import { endAll } from '../fixtures/end-all.ts'
import { oidcMethod, startOidc, type OidcServer } from '../oauth/fixtures/oidc.ts'
import { connectionIdOf } from './connection-id.ts'
import { backends, isLong, type Backend } from './fixtures/backends.ts'
import { startRefreshWorker, type RefreshWorker } from './fixtures/refresh-workers.ts'
import {
  baseUrl,
  connectByOAuth,
  integrationOf,
  openWorkbench,
  redirectUri,
  type Workbench,
} from './fixtures/workbench.ts'
import { connectionSet } from './sets.ts'

const integration = 'oidc'
const accountId = 'acct-1'
const processes = 8
const callers = 50
const rounds = isLong ? 200 : 10

describe(
  'E1: 8 processes with 50 callers each on an expired token that rotates',
  { timeout: 3_000_000 },
  () => {
    for (const backend of backends) {
      it(`refresh it once a round on ${backend.name}`, { skip: backend.skip }, () => storm(backend))
    }
  },
)

async function storm(backend: Backend): Promise<void> {
  const oidc = await startOidc([redirectUri(integration)])
  const storeUrl = backend.open()
  const between = storeUrl === undefined ? {} : { storeUrl }
  const bench = await openWorkbench([integrationOf(integration, [oidcMethod(oidc.origin)])], baseUrl, between)
  await connectByOAuth(bench.connect, { integration, accountId })
  const { directory, keys } = bench
  const { origin } = oidc
  const setup = {
    directory,
    keys,
    provider: 'oidc',
    origin,
    person: '',
    rotation: 'strict',
    ...between,
  } as const
  const starting = Array.from({ length: processes }, () => startRefreshWorker(setup))
  const played: Round[] = []
  const playAll = async (): Promise<void> => {
    const scene: Scene = { oidc, bench, workers: await Promise.all(starting), seen: new Set() }
    for (let round = 0; round < rounds; round += 1) played.push(await play(scene, round))
  }
  const endWorkers = async (): Promise<void> => {
    for (const worker of await Promise.allSettled(starting))
      if (worker.status === 'fulfilled') await worker.value.kill()
  }
  await endAll(playAll, [endWorkers, () => bench.close(), () => oidc.close(), () => backend.drop(storeUrl)])
  tell(backend, played)
  assert.deepEqual([...new Set(played.map(({ refreshes }) => refreshes))], [1])
}

interface Scene {
  readonly oidc: OidcServer
  readonly bench: Workbench
  readonly workers: readonly RefreshWorker[]
  /** Access tokens of the rounds before. */
  readonly seen: Set<string>
}

interface Round {
  readonly refreshes: number
  readonly ms: number
}

async function play({ oidc, bench, workers, seen }: Scene, round: number): Promise<Round> {
  const { connect, store } = bench
  oidc.tokenRequests.refresh_token = 0
  const id = connectionIdOf(integration, accountId)
  await store.update(connectionSet, id, {}, { set: { expiresAt: store.now() - 1 } })
  const from = performance.now()
  const order = { accountIds: [accountId], callers }
  const reports = await Promise.all(workers.map((worker) => worker.ask(order)))
  const ms = performance.now() - from
  const tokens = new Set(reports.flatMap(({ got }) => got[accountId] ?? []))
  const [token = ''] = tokens
  assert.equal(tokens.size, 1, `round ${round}: ${[...tokens].map((text) => text.slice(0, 24)).join(' ')}`)
  assert.equal(seen.has(token), false, 'everybody has the new one')
  seen.add(token)
  const answer = await fetch(`${oidc.origin}/me`, { headers: { authorization: `Bearer ${token}` } })
  assert.equal(answer.status, 200, 'it works')
  assert.equal((await connect.getConnection({ integration, accountId })).state, 'active')
  return { refreshes: oidc.tokenRequests.refresh_token, ms }
}

function tell({ name: database }: Backend, played: readonly Round[]): void {
  const figure = (name: string, value: number, unit?: string): void =>
    printFigure({ requirement: 'E1', name: `${name} on ${database}`, value, ...(unit ? { unit } : {}) })
  const times = played.map(({ ms }) => ms).toSorted((a, b) => a - b)
  figure('rounds', played.length)
  figure('refreshes in a round, most', Math.max(...played.map(({ refreshes }) => refreshes)))
  figure('refreshes in a round, least', Math.min(...played.map(({ refreshes }) => refreshes)))
  figure('callers of a round', processes * callers)
  figure('time of a round, median', Math.round(times[times.length >> 1] ?? 0), 'ms')
}

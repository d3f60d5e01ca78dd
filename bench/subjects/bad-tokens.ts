// What it costs to refuse connect tokens that nobody minted: from an address that has guessed too often, and from ever new
// ones, each with a look-up in the store.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import type { TokenCaller } from '../../server/connect/connect.ts'
import { createContext } from '../../server/connect/context.ts'
import { connectSets } from '../../server/connect/sets.ts'
import { createTokens } from '../../server/connect/tokens.ts'
import { createRateLimiter } from '../../server/http/rate-limits.ts'
import { createGuardedFetch } from '../../server/net/guarded-fetch.ts'
import { openStore } from '../../server/store/open-store.ts'
import { createVault } from '../../server/vault/create-vault.ts'
import { parseKeyRing } from '../../server/vault/key-ring.ts'
import { median } from '../result.ts'

const count = 10_000
const warmUps = 5
const seconds = 7
const origin = 'https://app.example.com'

const folder = mkdtempSync(join(tmpdir(), 'authflow-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const nothing = (): void => {}
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
const store = await openStore(`sqlite:${join(folder, 'bench.db')}`, { log })
await store.migrate(connectSets, 'bench')
const tokens = createTokens(
  createContext({
    store,
    vault: createVault({
      keys: parseKeyRing(`k1:${randomBytes(32).toString('base64')}`),
      environment: 'bench',
    }),
    integrations: [],
    fetch: createGuardedFetch({}),
    environment: 'bench',
    baseUrl: new URL('https://connect.example.com'),
    log,
  }),
)
const limiter = createRateLimiter()
const callers = Array.from({ length: count }, (): TokenCaller => ({
  token: `ctk_ct_${randomText(43)}`,
  origin,
}))

/** Of an address that the limiter has closed. */
const guesses = {
  before: () => limiter.checkGuesses('203.0.113.9'),
  wrong: () => limiter.countGuess('203.0.113.9'),
}
for (let guess = 0; guess < 30; guess += 1) limiter.countGuess('203.0.113.9')
await new Promise((resolve) => setImmediate(resolve))

/** Share of one core in percent that refusing them takes if they come within a second. */
async function shareOf(refuse: (caller: TokenCaller) => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  for (const caller of callers) {
    try {
      await refuse(caller)
    } catch (error) {
      if (error instanceof AuthFlowError && ['token_invalid', 'rate_limited'].includes(error.code)) continue
      throw error
    }
    throw new Error('A token that nobody minted was taken')
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 10_000
}

const lookedUp = (caller: TokenCaller): Promise<unknown> => tokens.present(caller)
const closed = (caller: TokenCaller): Promise<unknown> => tokens.present({ ...caller, guesses })
/** A server that is asked so often is warm after the first seconds: those are not counted. */
async function steadyShareOf(refuse: (caller: TokenCaller) => Promise<unknown>): Promise<number> {
  for (let second = 0; second < warmUps; second += 1) await shareOf(refuse)
  const shares: number[] = []
  for (let second = 0; second < seconds; second += 1) shares.push(await shareOf(refuse))
  return median(shares)
}

console.log(JSON.stringify({ lookedUp: await steadyShareOf(lookedUp), closed: await steadyShareOf(closed) }))
await store.close()

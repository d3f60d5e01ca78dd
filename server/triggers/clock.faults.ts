// X8: webhooks whose time is signed, at a server whose wall clock is wrong. Five minutes count by the store's clock: where
// the database has one, a server that is hours off believes what is new and refuses what is old, like the others. On
// SQLite the store's clock is the server's. Wants libfaketime.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { printFigure } from '../../scripts/figure.ts'
import { backends, isLong, type Backend } from '../connect/fixtures/backends.ts'
import { firstWords, killChild, startScript } from '../fixtures/child.ts'
import { endAll } from '../fixtures/end-all.ts'
import { createDirectory } from '../jobs/fixtures/engine-fixture.ts'
import { lyingClock, withoutLibrary } from '../jobs/fixtures/lying-clock.ts'
import { openStore } from '../store/open-store.ts'
import { slackSecret, standardSecret } from './fixtures/clock-server.ts'

const script = fileURLToPath(new URL('./fixtures/clock-server.ts', import.meta.url))
const minuteMs = 60_000
/** How far the time of a request may lie off, with some seconds for its way. */
const within = [-4.8, -2, 0, 2, 4.8].map((minutes) => minutes * minuteMs)
const beyond = [-120, -60, -5.2, 5.2, 60, 120].map((minutes) => minutes * minuteMs)
const clocks: Readonly<Record<string, number>> = {
  '+0': 0,
  '+2h': 120 * minuteMs,
  '-2h': -120 * minuteMs,
  '+5m': 5 * minuteMs,
  '-5m': -5 * minuteMs,
}
const rounds = isLong ? 40 : 4
/** The database's clock is looked at so often. */
const sampleMs = 10_000

let sent = 0

/** Sends one that was signed at the time given; the status of the answer. */
async function sendStandard(url: string, atMs: number): Promise<number> {
  sent += 1
  const [id, at, body] = [`msg_${sent}`, String(Math.round(atMs / 1000)), JSON.stringify({ sent })]
  const key = Buffer.from(standardSecret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')
  const signed = { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${signature}` }
  const headers = { 'content-type': 'application/json', ...signed }
  return (await fetch(`${url}/webhooks/http/standard`, { method: 'POST', headers, body })).status
}

async function sendSlack(url: string, atMs: number): Promise<number> {
  const at = String(Math.round(atMs / 1000))
  const body = JSON.stringify({ type: 'url_verification', challenge: `c${at}` })
  const signature = `v0=${createHmac('sha256', slackSecret).update(`v0:${at}:${body}`).digest('hex')}`
  const headers = { 'x-slack-request-timestamp': at, 'x-slack-signature': signature }
  const answer = await fetch(`${url}/webhooks/app/slack`, { method: 'POST', headers, body })
  const text = await answer.text()
  assert.equal(text === `c${at}`, answer.status === 200)
  return answer.status
}

/** Judges requests of all ages by the statuses that they get. */
async function judge(url: string, nowMs: () => number): Promise<number> {
  let count = 0
  for (let round = 0; round < rounds; round += 1)
    for (const [offsets, expected] of [
      [within, 200],
      [beyond, 401],
    ] as const)
      for (const offset of offsets)
        for (const send of [sendStandard, sendSlack]) {
          const status = await send(url, nowMs() + offset)
          assert.equal(status, expected, `${send.name} at ${offset / minuteMs} min`)
          count += 1
        }
  return count
}

/** A server whose clock lies, and where the lie is written. */
interface Server {
  readonly url: string
  readonly file: string
  /** The clock that it is to judge by. */
  readonly nowMs: () => number
}

async function withServer(
  backend: Backend,
  told: string,
  play: (server: Server) => Promise<void>,
): Promise<void> {
  const directory = createDirectory()
  const url = backend.open()
  const storeUrl = url ?? `sqlite:${join(directory.path, 'test.db')}`
  const file = join(directory.path, 'clock')
  writeFileSync(file, told)
  const observer = await openStore(storeUrl)
  const child = startScript(script, { args: [storeUrl], env: lyingClock(file) })
  const use = async (): Promise<void> => {
    const port = Number(await firstWords(child))
    const aheadMs = backend.name === 'sqlite' ? (clocks[told] ?? 0) : 0
    await play({ url: `http://127.0.0.1:${port}`, file, nowMs: () => observer.now() + aheadMs })
  }
  await endAll(use, [
    () => killChild(child),
    () => observer.close(),
    () => backend.drop(url),
    directory.remove,
  ])
}

describe('X8: webhooks at a server whose wall clock is wrong', { timeout: 600_000 }, () => {
  for (const backend of backends) {
    const skip = withoutLibrary || backend.skip
    for (const told of Object.keys(clocks))
      it(`are judged by the clock of the store at ${told} on ${backend.name}`, { skip }, () =>
        withServer(backend, told, async ({ url, nowMs }) => {
          const name = `webhooks judged by the store's clock at ${told}, ${backend.name}`
          printFigure({ requirement: 'X8', name, value: await judge(url, nowMs) })
        }),
      )
  }

  const [, mongo] = backends
  const skip = withoutLibrary || (mongo?.skip ?? 'no MongoDB')
  it('are judged by it again soon after the clock has jumped', { skip }, () =>
    withServer(mongo ?? assert.fail(), '+0', async ({ url, file, nowMs }) => {
      let count = 0
      for (const told of ['+2h', '-2h']) {
        writeFileSync(file, told)
        await delay(sampleMs + 1000)
        count += await judge(url, nowMs)
      }
      printFigure({ requirement: 'X8', name: 'webhooks judged 11 s after 2 jumps, mongodb', value: count })
    }),
  )
})

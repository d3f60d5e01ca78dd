import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import { AuthFlow } from '../authflow.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import type { IntegrationList } from '../server-api.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { runCli, type CliResult } from './fixtures/run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'authflow-runs-'))
const encryptionKeys = `k1:${randomBytes(32).toString('base64')}`
const store = `sqlite:${join(folder, 'runs.db')}`
const env = {
  AUTHFLOW_STORE: store,
  AUTHFLOW_ENVIRONMENT: 'test',
  AUTHFLOW_ENCRYPTION_KEYS: encryptionKeys,
}
const server = new AuthFlow<IntegrationList>({
  environment: 'test',
  baseUrl: 'http://localhost:1',
  store,
  encryptionKeys,
  integrations: [],
  log: 'silent',
})
let hurdle = true
const doneIds: string[] = []

const cli = (...args: string[]): Promise<CliResult> => runCli(['runs', ...args], { env })
const send = async (name: string, accountId?: string): Promise<string> => {
  const options = accountId === undefined ? {} : { accountId }
  const { runIds } = await server.sendEvent({ name, payload: null }, options)
  return runIds[0] ?? ''
}
const reaches = (id: string, state: string): Promise<true> =>
  until(state, async () => (await server.runs.get({ id })).state === state || undefined, 30_000)

before(async () => {
  const define = (id: string, run: Parameters<typeof server.defineJob>[0]['run']): void =>
    void server.defineJob({ id, name: id, version: '1.2.0', trigger: eventTrigger({ name: id }), run })
  define('quick', async (_, io) => {
    await io.logger.info('greetings', { from: 'the run' })
    await io.runTask('hop', () => io.logger.warn('from within'))
  })
  define('hurdle', async (_, io) => {
    await io.runTask(
      'jump',
      () => {
        if (hurdle) throw new Error('too high')
      },
      { retry: { limit: 1 } },
    )
  })
  define('loop', async (payload, io) => {
    if (payload === null) await io.continueAsNew('once more')
  })
  define('sleeper', async (_, io) => {
    await io.logger.info('good night')
    await io.wait('night', 3600)
  })
  define('nap', async (_, io) => {
    await io.runTask('lie down', () => 1)
    await io.logger.info('yawn')
    await io.wait('nap', 4)
    await io.runTask('get up', () => 1)
  })
  await server.start()
  for (let index = 0; index < 5; index += 1) doneIds.push(await send('quick', `account-${index % 2}`))
  for (const id of doneIds) await reaches(id, 'succeeded')
})

after(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const summaries = z.object({
  items: z.array(z.object({ id: z.string(), state: z.string() })),
  cursor: z.string().optional(),
})
const idsOf = (result: CliResult): string[] => summaries.parse(result.json()).items.map(({ id }) => id)

describe('authflow runs', () => {
  it('lists runs by account, job and state, in pages', async () => {
    const first = await cli('list', '--job', 'quick', '--limit', '2', '--json')
    const { cursor } = summaries.parse(first.json())
    assert.ok(cursor)
    assert.match(first.stderr, /--cursor/)
    const rest = await cli('list', '--job', 'quick', '--cursor', cursor, '--json')
    assert.deepEqual([...idsOf(first), ...idsOf(rest)], doneIds.toReversed())
    assert.deepEqual(idsOf(await cli('list', '--account', 'account-1', '--json')), [doneIds[3], doneIds[1]])
    assert.deepEqual(idsOf(await cli('list', '--state', 'failed', '--job', 'quick', '--json')), [])
    const text = await cli('list', '--limit', '1', '--job', 'quick')
    assert.match(text.stdout, /^RUN +JOB +ACCOUNT +STATE[^\n]+\nrun_\S+ +quick@1\.2\.0 +account-0 +succeeded/)
    const wrong = await cli('list', '--state', 'done')
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /--state must be one of queued/)
  })

  it('shows a run with its tasks and log lines', async () => {
    const [id = ''] = doneIds
    const { stdout } = await cli('show', id)
    assert.match(stdout, /hop +task +succeeded +1/)
    assert.match(stdout, /info +greetings \{"from":"the run"\}/)
    assert.match(stdout, /warn +hop +from within/)
    const shown = z
      .object({ id: z.string(), log: z.array(z.object({ level: z.string(), message: z.string() })) })
      .parse((await cli('show', id, '--json')).json())
    assert.deepEqual(
      shown.log.map(({ level, message }) => `${level} ${message}`),
      ['info greetings', 'warn from within'],
    )
    const missing = await cli('show', 'run_none')
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /not_found/)
  })

  it('shows what a run went on as, from both ends', async () => {
    const first = await send('loop')
    await reaches(first, 'succeeded')
    const shown = z.object({ continues: z.string().nullable(), continuedAs: z.string().nullable() })
    const linksOf = async (id: string) => shown.parse((await cli('show', id, '--json')).json())
    const { continuedAs, continues } = await linksOf(first)
    assert.equal(continues, null)
    const next = continuedAs ?? assert.fail('no link')
    assert.deepEqual(await linksOf(next), { continues: first, continuedAs: null })
    assert.match((await cli('show', first)).stdout, new RegExp(`^then +${next}$`, 'm'))
    assert.match((await cli('show', next)).stdout, new RegExp(`^goes on +${first}$`, 'm'))
  })

  it('cancels, and says of each what became of it', async () => {
    const ids = [await send('sleeper'), await send('sleeper')]
    for (const id of ids) await reaches(id, 'waiting')
    const result = await cli('cancel', ids[0] ?? '', 'run_none', ids[1] ?? '')
    assert.equal(result.code, 1)
    assert.match(result.stderr, /run_none: .*not_found/)
    for (const id of ids) assert.equal((await server.runs.get({ id })).state, 'cancelled')
    assert.equal((await cli('cancel', ids[0] ?? '')).code, 0)
  })

  it('resumes a failed run, and replays one that is over', async () => {
    const id = await send('hurdle')
    await reaches(id, 'failed')
    hurdle = false
    assert.equal((await cli('resume', id)).code, 0)
    await reaches(id, 'succeeded')
    const again = await cli('resume', id)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /run_not_failed/)
    const [replayed = ''] = idsOf(await cli('replay', id, '--json'))
    assert.notEqual(replayed, id)
    await reaches(replayed, 'succeeded')
  })

  it('follows a run to its end', async () => {
    const id = await send('nap')
    const { code, stdout } = await cli('tail', id)
    assert.equal(code, 0)
    const said = stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\S+ +/, ''))
    const at = (text: string): number => said.indexOf(text)
    assert.ok(at('task lie down succeeded') >= 0, stdout)
    assert.ok(at('info yawn') > at('task lie down succeeded'), stdout)
    assert.ok(at('task get up succeeded') > at('info yawn'), stdout)
    assert.equal(said.at(-1), 'run succeeded')
    assert.equal(said.filter((line) => line === 'info yawn').length, 1)
  })

  it('gives the exit code of the run it followed, and one line of JSON for each change', async () => {
    hurdle = true
    const id = await send('hurdle')
    const { code, stdout } = await cli('tail', id, '--json')
    assert.equal(code, 1)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    const last = z.object({ type: z.literal('state'), state: z.literal('failed') }).safeParse(lines.at(-1))
    assert.ok(last.success, stdout)
    assert.ok(stdout.includes('"type":"error"'))
  })
})

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ErrorCode } from '../../shared/errors.ts'
import { backends } from '../connect/fixtures/backends.ts'
import { reaches, until } from './fixtures/engine-fixture.ts'
import { openScene, type OutsideScene } from './fixtures/outside-scene.ts'
import type { IO, Json } from './job.ts'
import { runs, type RunDocument } from './records.ts'
import { requestWaits } from './wait-records.ts'

const addressPattern = /^https:\/\/connect\.example\.com\/auth\/webhooks\/run\/([\w-]{43})$/

for (const backend of backends) {
  describe(`io.waitForRequest on ${backend.name}`, { skip: backend.skip }, () => {
    let scene: OutsideScene
    /** Tokens of the addresses that were given away. */
    const tokens: string[] = []

    beforeEach(async () => {
      tokens.length = 0
      scene = await openScene(backend)
    })
    afterEach(() => scene.close())

    const keep = (url: string): void => void tokens.push(addressPattern.exec(url)?.[1] ?? url)

    const sleeps = (id: string): Promise<RunDocument> =>
      until('the run sleeps', async () => {
        const run = await scene.record(id)
        return run.state === 'waiting' ? run : undefined
      })

    const post = (token: string | undefined, body: Json): Promise<void> =>
      scene.fixture.engine.receiveRequest(token ?? '', () => Promise.resolve(body))

    const over = (id: string, state: 'succeeded' | 'failed' = 'succeeded') =>
      reaches(scene.fixture.engine, id, state)

    it('gives the address away once, sleeps, and gives the body, the same on every replay', async () => {
      const seen: Json[] = []
      const id = await scene.begin(async (io) => {
        seen.push(await io.waitForRequest('answer', keep))
        await io.wait('nap', 3600)
      })
      await sleeps(id)
      await post(tokens[0], { ok: [1] })
      await until('it came', () => (seen.length > 0 ? true : undefined))
      await sleeps(id)
      scene.advance(3600_000)
      await scene.fixture.engine.sweep()
      await over(id)
      assert.deepEqual(seen, [{ ok: [1] }, { ok: [1] }])
      assert.equal(tokens.length, 1)
      const { tasks } = await scene.fixture.engine.getRun(id)
      assert.deepEqual(
        tasks.map(({ key, kind, state }) => [key, kind, state]),
        [
          ['answer', 'request', 'succeeded'],
          ['callback', 'task', 'succeeded'],
          ['nap', 'wait', 'succeeded'],
        ],
      )
    })

    it('takes the first request, and lets the others believe that they were', async () => {
      const id = await scene.begin((io) => io.waitForRequest('answer', keep))
      await sleeps(id)
      await Promise.all([1, 2, 3, 4].map((body) => post(tokens[0], body)))
      await over(id)
      await post(tokens[0], 5)
      await assert.rejects(post(`${tokens[0]?.slice(0, 42)}!`, 1), { code: 'not_found' })
      await assert.rejects(post('A'.repeat(43), 1), { code: 'not_found' })
    })

    it('hears a request that comes before the run sleeps, from another process', async () => {
      const other = await scene.open()
      const seen: Json[] = []
      await scene.runs(async (io) => {
        const answer = await io.waitForRequest('answer', async (url) => {
          keep(url)
          await other.engine.receiveRequest(tokens[0] ?? '', () => Promise.resolve('at once'))
        })
        seen.push(answer)
      })
      assert.deepEqual(seen, ['at once'])
    })

    it('stores neither the token nor the body in the clear', async () => {
      const id = await scene.begin((io) => io.waitForRequest('answer', keep))
      await sleeps(id)
      await post(tokens[0], 's3cr3t-canary')
      await over(id)
      const stored = JSON.stringify([
        await scene.fixture.store.range(requestWaits, '', '~', 10),
        await scene.fixture.store.range(runs, '', '~', 10),
      ])
      assert.equal(stored.includes(tokens[0] ?? '?'), false)
      assert.doesNotMatch(stored, /s3cr3t/)
    })

    it('ends with wait_timeout, refuses what comes later, and waits again at the address when resumed', async () => {
      const id = await scene.begin((io) => io.waitForRequest('answer', keep, { timeoutInSeconds: 60 }))
      await sleeps(id)
      scene.advance(61_000)
      await scene.fixture.engine.sweep()
      assert.equal((await over(id, 'failed')).error?.code, 'wait_timeout')
      await assert.rejects(post(tokens[0], 1), { code: 'wait_over' })
      await scene.fixture.engine.resumeRun(id)
      await sleeps(id)
      await post(tokens[0], 2)
      await over(id)
      assert.equal(tokens.length, 1)
    })

    it('refuses requests once the run is cancelled', async () => {
      const id = await scene.begin((io) => io.waitForRequest('answer', keep))
      await sleeps(id)
      await scene.fixture.engine.cancelRun(id)
      await until('it is closed', async () =>
        (await scene.fixture.store.range(requestWaits, '', '~', 10))[0]?.state === 'over' ? true : undefined,
      )
      await assert.rejects(post(tokens[0], 1), { code: 'wait_over' })
    })

    it('fails with what the giving away threw, tried as often as it is told to', async () => {
      let tries = 0
      const tell = (): never => {
        tries += 1
        throw new Error('no post today')
      }
      const retry = { limit: 3, minTimeoutInMs: 1, maxTimeoutInMs: 1 }
      const id = await scene.begin((io) => io.waitForRequest('answer', tell, { retry }))
      assert.equal((await over(id, 'failed')).error?.message, 'no post today')
      assert.equal(tries, 3)
      assert.equal((await scene.fixture.store.range(requestWaits, '', '~', 10))[0]?.state, 'over')
    })

    it('has an address for each wait', async () => {
      const seen: Json[] = []
      const id = await scene.begin(async (io) => {
        seen.push(await Promise.all(['a', 'b', 'c'].map((key) => io.waitForRequest(key, keep))))
      })
      await sleeps(id)
      assert.equal(new Set(tokens).size, 3)
      for (const [at, token] of tokens.entries()) await post(token, at)
      await over(id)
      assert.deepEqual(seen.at(-1), [0, 1, 2])
    })

    const wrong: readonly (readonly [string, ErrorCode, (io: IO) => Promise<unknown>])[] = [
      ['no function', 'invalid_input', (io) => io.waitForRequest('key', JSON.parse('null'))],
      [
        'a time that is none',
        'invalid_input',
        (io) => io.waitForRequest('key', keep, { timeoutInSeconds: NaN }),
      ],
    ]
    for (const [what, code, work] of wrong) {
      it(`refuses ${what}`, async () => {
        const id = await scene.begin(async (io) => void (await work(io)))
        assert.equal((await over(id, 'failed')).error?.code, code)
      })
    }
  })
}

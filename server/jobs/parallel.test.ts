import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json } from './job.ts'
import { isTriggerError } from './trigger-error.ts'

const fail = (): never => {
  throw new Error('always')
}

for (const backend of backends) {
  describe(`io.parallel and io.try, on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture
    const calls: string[] = []

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      calls.length = 0
      fixture = await openEngine(directory.path, { storeUrl: url })
      await fixture.engine.start()
    })
    afterEach(async () => {
      await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    const outputs: Json[] = []
    async function start(work: (io: IO) => Promise<Json>): Promise<string | undefined> {
      outputs.length = 0
      fixture.engine.defineJob({
        id: 'job',
        name: 'Job',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'job' }),
        run: async (_, io) => work(io),
        onSuccess: ({ output }) => void outputs.push(output),
      })
      return (await fixture.engine.sendEvent({ name: 'job', payload: null })).runIds[0]
    }
    async function outputOf(work: (io: IO) => Promise<Json>, ms?: number): Promise<Json | undefined> {
      await reaches(fixture.engine, await start(work), 'succeeded', ms)
      await until('the output was told', () => outputs.length > 0)
      return outputs[0]
    }
    const failure = async (id: string | undefined): Promise<unknown> =>
      (await reaches(fixture.engine, id, 'failed')).error

    it('gives the results in the order of the items, each branch with its own keys', async () => {
      const output = await outputOf((io) =>
        io.parallel('all', [30, 10, 20], async (ms, index) => {
          const doubled = await io.runTask('same key', async () => {
            await new Promise((resolve) => setTimeout(resolve, ms))
            return ms * 2
          })
          await io.logger.info('done')
          return { doubled, index }
        }),
      )
      assert.deepEqual(output, [
        { doubled: 60, index: 0 },
        { doubled: 20, index: 1 },
        { doubled: 40, index: 2 },
      ])
    })

    it('goes on over waits, and calls no finished branch again', async () => {
      const output = await outputOf((io) =>
        io.parallel('all', [0, 0.3, 0.6], async (seconds, index) => {
          calls.push(`enters ${index}`)
          await io.runTask('one', () => void calls.push(`one ${index}`))
          if (seconds > 0) await io.wait('nap', seconds)
          return io.runTask('two', () => calls.push(`two ${index}`) > 0)
        }),
      )
      assert.deepEqual(output, [true, true, true])
      for (const index of [0, 1, 2])
        for (const task of ['one', 'two'])
          assert.equal(calls.filter((call) => call === `${task} ${index}`).length, 1, `${task} ${index}`)
      assert.equal(calls.filter((call) => call === 'enters 0').length, 1)
    })

    it('lets every branch come to its end, then throws the error of the first that failed', async () => {
      const id = await start((io) =>
        io.parallel('all', ['a', 'b', 'c', 'd'], async (item, index) => {
          if (index === 2) await io.wait('nap', 0.2)
          await io.runTask('step', () => {
            calls.push(item)
            if (index === 1 || index === 3) throw new Error(`${item} broke`)
          })
          return null
        }),
      )
      assert.deepEqual(await failure(id), { code: 'run_failed', message: 'b broke' })
      assert.deepEqual(calls.toSorted(), ['a', 'b', 'c', 'd'])
    })

    it('is resumed with all that failed in it, and nothing else', async () => {
      let isBroken = true
      const id = await start((io) =>
        io.parallel('outer', [1, 2], async (outer) => {
          await io.parallel('inner', [1, 2, 3], (inner) =>
            io.runTask('step', () => {
              calls.push(`${outer}.${inner}`)
              if (isBroken && inner > 1) throw new Error('down')
            }),
          )
          await io.runTask('caught', fail).catch(() => undefined)
          return null
        }),
      )
      await failure(id)
      assert.equal(calls.length, 6)
      calls.length = 0
      isBroken = false
      assert.ok(id !== undefined)
      await fixture.engine.resumeRun(id)
      await reaches(fixture.engine, id, 'succeeded')
      assert.deepEqual(calls.toSorted(), ['1.2', '1.3', '2.2', '2.3'])
    })

    it('takes 1,000 items and no more', async () => {
      const items = Array.from({ length: 1000 }, (_, index) => index)
      const output = await outputOf((io) => io.parallel('all', items, (item) => item * 2), 60_000)
      assert.deepEqual(
        output,
        items.map((item) => item * 2),
      )
    })

    it('refuses other items than before', async () => {
      const asleep = new Set<string>()
      const id = await start(async (io) => {
        const items = asleep.has('once') ? [1, 3] : [1, 2]
        asleep.add('once')
        return io.parallel('all', items, async (item) => {
          await io.runTask('step', () => item)
          // Long enough for the pass to end, however slow the store is.
          await io.wait('nap', 1.5)
          return item
        })
      })
      const error = await failure(id)
      assert.ok(typeof error === 'object' && error !== null && 'code' in error && 'message' in error)
      assert.equal(error.code, 'replay_mismatch')
      assert.match(String(error.message), /io\.parallel «all» of job job/)
    })

    it('gives nothing for no items, and takes nested ones', async () => {
      const output = await outputOf(async (io) => [
        await io.parallel('none', [], () => 1),
        await io.parallel('rows', [[1, 2], [3]], (row) => io.parallel('cells', row, (cell) => cell + 1)),
      ])
      assert.deepEqual(output, [[], [[2, 3], [4]]])
    })

    it('io.try rescues from errors and never from sleep', async () => {
      const output = await outputOf(async (io) => {
        const slept = await io.try(
          async () => {
            await io.wait('nap', 0.2)
            return 'slept'
          },
          () => void calls.push('rescued from sleep'),
        )
        const rescued = await io.try(
          () => io.runTask('breaks', () => Promise.reject(new Error('broken'))),
          async (error) => {
            assert.equal(isTriggerError(error), false)
            return io.runTask('mends', () => (error instanceof Error ? error.message : ''))
          },
        )
        return [slept ?? null, rescued ?? null]
      })
      assert.deepEqual(output, ['slept', 'broken'])
      assert.deepEqual(calls, [])
    })

    it('io.random draws once and stays within its bounds', async () => {
      const output = await outputOf(async (io) => {
        const drawn = await io.random('free')
        calls.push(String(drawn))
        const die = await io.random('die', { min: 1, max: 6, round: true })
        const fixed = await io.random('fixed', { min: 5, max: 5 })
        await io.wait('nap', 0.2)
        return [drawn, die, fixed]
      })
      assert.ok(Array.isArray(output))
      const [drawn = -1, die = -1, fixed] = output.map(Number)
      assert.equal(calls.length, 2)
      assert.equal(new Set(calls).size, 1)
      assert.ok(drawn >= 0 && drawn < 1)
      assert.ok(Number.isInteger(die) && die >= 1 && die <= 6)
      assert.equal(fixed, 5)
    })
  })
}

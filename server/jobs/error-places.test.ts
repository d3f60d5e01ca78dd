import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json } from './job.ts'

const file = fileURLToPath(import.meta.url)
const source = readFileSync(file, 'utf8').split('\n')

/** Where in this file a mark stands: `error-places.test.ts:12:`. */
function placeOf(mark: string): string {
  const line = source.findIndex((text) => text.includes(`// ${mark}`))
  assert.notEqual(line, -1, mark)
  return `error-places.test.ts:${line + 1}:`
}

describe('errors in the code of a job', () => {
  const directory = createDirectory()
  let fixture: EngineFixture
  const told: { code: string; message: string; stack: string | null }[] = []

  before(async () => {
    fixture = await openEngine(directory.path)
    await fixture.engine.start()
  })
  after(async () => {
    await fixture.close()
    directory.remove()
  })

  /** Runs it to its failure; the stacks that onFailure and the log have. */
  async function fail(id: string, work: (io: IO) => Promise<Json | void>) {
    told.length = 0
    fixture.engine.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger: eventTrigger({ name: id }),
      run: async (_, io) => work(io),
      onFailure: ({ error }) => void told.push(error),
    })
    const [runId] = (await fixture.engine.sendEvent({ name: id, payload: null })).runIds
    await reaches(fixture.engine, runId, 'failed')
    const [error] = await until('it was told', () => (told.length > 0 ? told : undefined))
    const line = fixture.lines.find(({ facts }) => facts['run'] === runId)
    assert.ok(line)
    const { err, job } = line.facts
    assert.deepEqual([line.level, line.message, job], ['error', 'the run failed', id])
    assert.ok(err instanceof Error)
    assert.equal(err.stack, error?.stack)
    return { ...error, stack: error?.stack ?? '' }
  }

  it('point at the line of the run that threw', async () => {
    const { code, stack } = await fail('own', async () => {
      await Promise.resolve()
      throw new TypeError('broken') // own line
    })
    assert.equal(code, 'run_failed')
    assert.match(stack, /^TypeError: broken\n/)
    assert.ok(stack.includes(placeOf('own line')), stack)
  })

  it('point at the line of the task that threw, after retries and in later passes', async () => {
    const { stack } = await fail('task', async (io) => {
      const failed = await io
        .runTask(
          'breaks',
          async () => {
            await Promise.resolve()
            throw new RangeError('in a task') // task line
          },
          { retry: { limit: 2, minTimeoutInMs: 1 } },
        )
        .catch((error: unknown) => error)
      await io.wait('nap', 0.2)
      throw failed
    })
    assert.match(stack, /^RangeError: in a task\n/)
    assert.ok(stack.includes(placeOf('task line')), stack)
  })

  it('keep the line of our own errors, too', async () => {
    const { stack, code } = await fail('inner', async (io) => {
      await io.runTask('outer', async () => {
        await io.runTask('one', () => 1)
        await io.runTask('one', () => 2) // inner line
      })
    })
    assert.equal(code, 'duplicate_task_key')
    assert.ok(stack.includes(placeOf('inner line')), stack)
  })

  it('keep it behind a message of any length', async () => {
    const { stack, message } = await fail('long', async () => {
      throw new Error('x'.repeat(20_000)) // long line
    })
    assert.equal(message?.length, 2000)
    assert.ok(stack.includes(placeOf('long line')), stack.slice(-500))
  })

  it('point at the branch that threw', async () => {
    const { stack } = await fail('branch', async (io) => {
      await io.parallel('all', [1, 2], (item) => {
        if (item === 2) throw new Error('second') // branch line
      })
    })
    assert.ok(stack.includes(placeOf('branch line')), stack)
  })

  it('have none where something else was thrown', async () => {
    told.length = 0
    fixture.engine.defineJob({
      id: 'text',
      name: 'text',
      version: '1.0.0',
      trigger: eventTrigger({ name: 'text' }),
      // Not an error: what a library may do.
      run: () => {
        const thrown: unknown = 'only text'
        throw thrown
      },
      onFailure: ({ error }) => void told.push(error),
    })
    const [runId] = (await fixture.engine.sendEvent({ name: 'text', payload: null })).runIds
    await reaches(fixture.engine, runId, 'failed')
    await until('it was told', () => told.length > 0)
    assert.deepEqual(told, [{ code: 'run_failed', message: 'only text', stack: null }])
  })
})

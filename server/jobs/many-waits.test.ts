import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, reaches } from './fixtures/engine-fixture.ts'

describe('a run with many waits', () => {
  it('skips none of 300', { timeout: 60_000 }, async () => {
    const directory = createDirectory()
    const { engine, close } = await openEngine(directory.path)
    const early: number[] = []
    const after: number[] = []
    try {
      engine.defineJob({
        id: 'many',
        name: 'Many',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'many' }),
        run: async (_, io) => {
          const begunAt = await io.runTask('begin', () => Date.now())
          const waitAndSay = async (_: unknown, index: number): Promise<void> => {
            await io.wait(`wait ${index}`, 1 + (index % 3) / 10)
            if (Date.now() - begunAt < 900) early.push(index)
            await io.runTask(`after ${index}`, () => void after.push(index))
          }
          await Promise.all(Array.from({ length: 300 }, waitAndSay))
        },
      })
      await engine.start()
      const [id] = (await engine.sendEvent({ name: 'many', payload: null })).runIds
      await reaches(engine, id, 'succeeded', 50_000)
      assert.deepEqual(early, [])
      assert.deepEqual(
        after.toSorted((one, other) => one - other),
        Array.from({ length: 300 }, (_, index) => index),
      )
    } finally {
      await close()
      directory.remove()
    }
  })
})

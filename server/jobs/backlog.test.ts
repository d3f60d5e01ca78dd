import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, until } from './fixtures/engine-fixture.ts'

describe('sendEvent', () => {
  it('does not wait for a slot behind a queue that has been full for a while', async () => {
    const directory = createDirectory()
    const { engine, close } = await openEngine(directory.path, { concurrency: 2 })
    try {
      let ended = 0
      engine.defineJob({
        id: 'many',
        name: 'Many',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'many' }),
        run: async (_, io) => {
          await io.runTask('work', () => new Promise<void>((resolve) => setTimeout(resolve, 5)))
          ended += 1
        },
      })
      engine.defineJob({
        id: 'other',
        name: 'Other',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'other' }),
        run: () => undefined,
      })
      const events = Array.from({ length: 500 }, (_, payload) => ({ name: 'many', payload }))
      await engine.sendEvents(events)
      await engine.start()
      const startedAt = performance.now()
      await until(
        'the queue has been full for a while',
        () => performance.now() - startedAt > 500 || undefined,
      )
      const before = ended
      const { runIds } = await engine.sendEvent({ name: 'other', payload: null })
      // A second of waiting would have been more than a hundred of them.
      assert(ended - before < 30, `${ended - before} runs ended meanwhile`)
      await until('it had its turn', async () => (await engine.getRun(runIds[0] ?? '')).endedAt ?? undefined)
      assert(ended < 500, 'it had to wait for all that were there before')
    } finally {
      await close()
      directory.remove()
    }
  })
})

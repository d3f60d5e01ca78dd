import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import { backends } from '../connect/fixtures/backends.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import { createDirectory, openEngine, reaches, until, type EngineFixture } from './fixtures/engine-fixture.ts'
import type { IO, Json, RunContext } from './job.ts'
import { events, places, runs, type RunDocument } from './records.ts'

type Work = (io: IO, context: RunContext, payload: Json) => Promise<Json | void> | Json | void

for (const backend of backends) {
  describe(`runs that invoke runs, on ${backend.name}`, { skip: backend.skip }, () => {
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let fixture: EngineFixture
    /** What the children were called with, and as whom. */
    const calls: unknown[] = []

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      calls.length = 0
      // One slot: a parent that held it while it waits would wait for ever.
      fixture = await openEngine(directory.path, { storeUrl: url, concurrency: 1 })
      job('double', (_, context, payload) => {
        calls.push([payload, context.account?.id, context.event.context])
        if (typeof payload !== 'number') throw new Error('no number')
        return payload * 2
      })
      await fixture.engine.start()
    })
    afterEach(async () => {
      await fixture.close()
      await backend.drop(url)
      directory.remove()
    })

    function job(id: string, work: Work): void {
      fixture.engine.defineJob({
        id,
        name: id,
        version: '1.0.0',
        trigger: invokeTrigger(),
        run: (payload, io, context) => work(io, context, payload),
      })
    }

    const begin = async (work: Work, accountId?: string): Promise<string> => {
      job('parent', work)
      return (await fixture.engine.invoke('parent', null, accountId === undefined ? {} : { accountId })).id
    }

    const succeeds = async (work: Work, accountId?: string): Promise<string> => {
      const id = await begin(work, accountId)
      await reaches(fixture.engine, id, 'succeeded')
      return id
    }

    const childrenOf = async (parent: string): Promise<RunDocument[]> => {
      const { items } = await fixture.store.list(runs, { index: 'all', equals: 'run', limit: 100 })
      return items.filter((run) => run.parent?.run === parent)
    }

    it('waits for the end of another run without holding a slot, and gets its output', async () => {
      const seen: unknown[] = []
      const id = await succeeds(async (io) => {
        seen.push(await io.invokeAndWait('ask', 'double', 4))
        await io.wait('nap', 0.2)
      }, 'ada')
      const [child] = await childrenOf(id)
      assert.ok(child)
      assert.deepEqual(seen, [
        { ok: true, run: { id: child.id }, output: 8 },
        { ok: true, run: { id: child.id }, output: 8 },
      ])
      assert.deepEqual(calls, [[4, 'ada', null]])
      assert.deepEqual(child.parent, { run: id, awaited: true, chain: ['parent'], waits: 1 })
      await until('nothing is left to do', async () => {
        const after = await fixture.store.get(runs, child.id)
        return after?.place === undefined ? true : undefined
      })
      const { tasks } = await fixture.engine.getRun(id)
      assert.deepEqual(
        tasks.map(({ key, kind, state }) => [key, kind, state]),
        [
          ['ask', 'invoke', 'succeeded'],
          ['nap', 'wait', 'succeeded'],
        ],
      )
    })
  })
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Connection } from '../../shared/auth.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { createDirectory, openEngine, until } from './fixtures/engine-fixture.ts'
import { missingEvent } from './missing-connection.ts'
import { parkingId, parkings } from './records.ts'

describe('the event of a missing connection', () => {
  it('is sent by the sweep when the process that noted it down was killed before, and once', async () => {
    const directory = createDirectory()
    const place = { integration: 'slack', accountId: 'ada' }
    const at = '2026-01-01T00:00:00.000Z'
    const broken: Connection = {
      ...place,
      id: 'con_1',
      state: 'needs_reauth',
      method: 'oauth2',
      identity: { id: 'U1', label: 'Ada' },
      scopes: [],
      fields: {},
      createdAt: at,
      updatedAt: at,
    }
    let known: Connection | undefined = broken
    const fixture = await openEngine(directory.path, { findConnection: async () => known })
    const heard: unknown[] = []
    try {
      fixture.engine.defineJob({
        id: 'missing',
        name: 'Missing',
        version: '1.0.0',
        trigger: eventTrigger({ name: missingEvent }),
        run: async (payload) => void heard.push(payload),
      })
      await fixture.engine.start()
      const parking = { id: parkingId('slack', 'ada'), scope: 'parking' as const, ...place, since: 1000 }
      await fixture.store.insert(parkings, parking)
      await fixture.engine.sweep()
      // Killed again, between sending it and noting that down.
      await fixture.store.update(parkings, parking.id, {}, { unset: ['told'] })
      known = undefined
      await fixture.engine.sweep()
      await fixture.engine.sweep()
      await until('the notice', () => heard.length > 0)
      assert.equal((await fixture.store.get(parkings, parking.id))?.told, true)
      const { items } = await fixture.engine.listRuns({ job: 'missing' })
      assert.equal(items.length, 1)
      assert.deepEqual(heard, [{ ...place, since: '1970-01-01T00:00:01.000Z', connection: broken }])
    } finally {
      await fixture.close()
      directory.remove()
    }
  })
})

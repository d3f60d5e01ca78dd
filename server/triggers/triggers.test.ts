// Registrations and deliveries on both stores, with a clock that is moved by hand and a provider of the test's own.

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { closeBenches, openBench, stores } from './fixtures/trigger-bench.ts'
import { deliveries } from './registration-records.ts'

afterEach(closeBenches)

const day = 24 * 3_600_000

for (const { name, skip } of stores) {
  describe(`triggers on ${name}`, { skip }, () => {
    it('make one webhook for a key, whoever registers it at the same time', async () => {
      const b = await openBench(name)
      const wish = { trigger: 'things', key: 'k', params: { place: 'here' } }
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? b.one : b.other).registrations.register(wish)),
      )
      assert(made.every(({ state }) => state === 'active'))
      assert.equal(b.provider.calls.filter((call) => call === 'create').length, 1)
      assert.equal((await b.things.list()).items.length, 1)
      await Promise.all(
        Array.from({ length: 6 }, (_, index) => (index % 2 ? b.one : b.other).registrations.unregister(wish)),
      )
      assert.equal(b.provider.hooks.size, 0)
    })

    it('try again later what a provider that fails did not take, ever less often', async () => {
      const b = await openBench(name)
      b.provider.failing = new AuthFlowError('provider_unavailable')
      const made = await b.things.register('k', { place: 'here' })
      assert.deepEqual([made.state, made.error?.code], ['pending', 'provider_unavailable'])
      const tries = async (ms: number, steps: number): Promise<number> => {
        const before = b.provider.calls.length
        for (let step = 0; step < steps; step += 1) {
          b.clock.advance(ms / steps)
          await b.one.registrations.sweep()
        }
        return b.provider.calls.length - before
      }
      const first = await tries(60_000, 60)
      assert(first >= 2 && first <= 8, `${first} in the first minute`)
      await tries(3_600_000, 60)
      const later = await tries(3_600_000, 120)
      assert(later >= 1 && later <= 3, `${later} in an hour`)
      b.provider.failing = undefined
      await tries(3_600_000, 4)
      assert.equal((await b.things.get('k')).state, 'active')
    })

    it('take over what a lost answer left at the provider', async () => {
      const b = await openBench(name)
      b.provider.loses = true
      assert.equal((await b.things.register('k', { place: 'here' })).state, 'pending')
      b.provider.loses = false
      b.clock.advance(60_000)
      await b.other.registrations.sweep()
      assert.equal((await b.things.get('k')).state, 'active')
      assert.equal(b.provider.hooks.size, 1)
    })

    it('renew before the end, and make again what is gone', async () => {
      const b = await openBench(name)
      await b.things.register('k', { place: 'here' })
      for (let hour = 0; hour < 24 * 21; hour += 1) {
        b.clock.advance(3_600_000)
        await Promise.all([b.one.registrations.sweep(), b.other.registrations.sweep()])
        const left = Number(b.provider.hooks.get('here')?.expiresAt) - b.clock.now()
        assert(left > 3 * day, `${left / day} days left after ${hour} hours`)
      }
      assert.equal(b.provider.calls.filter((call) => call === 'create').length, 1)
      assert(b.provider.calls.filter((call) => call === 'renew').length <= 7)
      b.provider.hooks.clear()
      b.clock.advance(8 * 3_600_000)
      await b.one.registrations.sweep()
      assert.equal(b.provider.hooks.size, 1)
    })

    it('tell the provider of the events that the code wants now, when registered again and in time', async () => {
      const b = await openBench(name)
      const creations = (): number => b.provider.calls.filter((call) => call === 'create').length
      await b.things.register('k', { place: 'here' })
      await b.things.register('l', { place: 'there' })
      assert.deepEqual(b.provider.hooks.get('here')?.events, ['thing'])
      const next = b.release('push')
      const again = await next.things.register('k', { place: 'here' })
      assert.equal(again.state, 'active')
      assert.deepEqual(b.provider.hooks.get('here')?.events, ['push'])
      await next.things.register('k', { place: 'here' })
      assert.equal(creations(), 3)
      // Nobody registers this one again: the next look tells.
      assert.deepEqual(b.provider.hooks.get('there')?.events, ['thing'])
      for (let look = 0; look < 3; look += 1) {
        b.clock.advance(8 * 3_600_000)
        await next.one.registrations.sweep()
      }
      assert.deepEqual(b.provider.hooks.get('there')?.events, ['push'])
      assert.deepEqual([creations(), b.provider.hooks.size], [4, 2])
    })

    it('read what another process stored and did not come to read, once', async () => {
      const b = await openBench(name)
      await b.things.register('k', { place: 'here' })
      await b.one.deliveries.close()
      const { hook, request } = b.provider.request('here', { n: 1 }, 'd1')
      const receiver = await b.one.deliveries.find({ type: 'registration', hook })
      assert.equal((await receiver?.receive(request))?.outcome, 'accepted')
      assert.equal((await receiver?.receive(request))?.outcome, 'duplicate')
      await b.other.deliveries.sweep()
      assert.equal(b.seen.length, 0, 'it is still the other one’s')
      b.clock.advance(6_000)
      await Promise.all([b.other.deliveries.sweep(), b.other.deliveries.sweep()])
      await until('the run', () => b.seen.length === 1)
      b.clock.advance(60_000)
      await b.other.deliveries.sweep()
      assert.equal((await b.engine.listRuns({ job: 'things' })).items.length, 1)
    })

    it('keep ids for 35 days, and the request no longer than it takes to read it', async () => {
      const b = await openBench(name)
      await b.things.register('k', { place: 'here' })
      const { hook, request } = b.provider.request('here', { secret: 'planted' }, 'd1')
      await (await b.one.deliveries.find({ type: 'registration', hook }))?.receive(request)
      const read = async () => {
        const found = await b.store.range(deliveries, '', '~', 10)
        return found.every(({ place }) => place === undefined) && found.length === 2 ? found : undefined
      }
      const kept = await until('both records', read)
      assert(kept.every(({ expireAt, receivedAt }) => (expireAt ?? 0) - receivedAt === 35 * day))
      assert(kept.every((one) => one.request === undefined && !JSON.stringify(one).includes('planted')))
    })

    it('ask a source from where it was left, each item once, and less often while it fails', async () => {
      const b = await openBench(name)
      b.feed.items.push('a', 'b', 'c')
      const made = await b.items.register('news', { feed: 'x' })
      assert.equal(made.state, 'active')
      await until('three', () => b.seen.length === 3)
      b.feed.items.push('d')
      await b.one.registrations.sweep()
      assert.equal(b.seen.length, 3)
      b.clock.advance(61_000)
      await Promise.all([b.one.registrations.sweep(), b.other.registrations.sweep()])
      await until('the fourth', () => b.seen.length === 4)
      assert.deepEqual(b.seen.map((item) => (item as { text: string }).text).sort(), ['a', 'b', 'c', 'd'])

      b.feed.failing = new AuthFlowError('rate_limited', 'slow down', { details: { retryAfterMs: 600_000 } })
      b.clock.advance(61_000)
      await b.one.registrations.sweep()
      const { asked } = b.feed
      for (let minute = 0; minute < 9; minute += 1) {
        b.clock.advance(60_000)
        await b.one.registrations.sweep()
      }
      assert.equal(b.feed.asked, asked, 'not before the time it named')
      b.feed.failing = undefined
      b.feed.items.push('e')
      b.clock.advance(120_000)
      await b.one.registrations.sweep()
      await until('the fifth', () => b.seen.length === 5)

      b.feed.failing = new AuthFlowError('provider_unavailable')
      const before = b.feed.asked
      for (let step = 0; step < 120; step += 1) {
        b.clock.advance(5_000)
        await b.one.registrations.sweep()
      }
      const tries = b.feed.asked - before
      assert(
        tries >= 2 && tries <= 5,
        `${tries} in ten minutes, in which a source that answers is asked ten times`,
      )
      b.feed.failing = undefined
      b.feed.items.push('f')
      b.clock.advance(3_600_000)
      await b.one.registrations.sweep()
      await until('the sixth', () => b.seen.length === 6)
      assert.equal(await b.items.unregister('news'), true)
    })
  })
}

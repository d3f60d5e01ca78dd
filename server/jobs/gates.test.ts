// Gates on each of the stores, with a clock that stands still until it is moved, and the breaker.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { backends } from '../connect/fixtures/backends.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { createClock, createDirectory } from './fixtures/engine-fixture.ts'
import { Gates, gates, keyGate, type KeyedGate, type Ticket } from './gates.ts'
import { HostBreaker } from './host-breaker.ts'

const ada = { integration: 'slack', identity: 'U1' }
const bob = { integration: 'slack', identity: 'U2' }
const timesOf = (tickets: readonly Ticket[]): number[] =>
  tickets.map(({ at }) => at).toSorted((one, other) => one - other)

const post = { scope: 'connection', name: 'chat.postMessage' } as const

for (const backend of backends) {
  describe(`gates on ${backend.name}`, { skip: backend.skip }, () => {
    const gate = keyGate(post, ada)
    let directory: ReturnType<typeof createDirectory>
    let url: string | undefined
    let clock: ReturnType<typeof createClock>
    let stores: Store[]
    /** Two processes. */
    let here: Gates
    let there: Gates

    beforeEach(async () => {
      directory = createDirectory()
      url = backend.open()
      clock = createClock()
      stores = []
      for (let count = 0; count < 2; count += 1) {
        const store = await openStore(url ?? `sqlite:${join(directory.path, 'gates.db')}`)
        await store.migrate([gates], 'test')
        stores.push(store)
      }
      const [first, second] = stores
      assert.ok(first && second)
      here = new Gates({ store: first, now: clock.now })
      there = new Gates({ store: second, now: clock.now })
    })

    afterEach(async () => {
      for (const store of stores) await store.close()
      await backend.drop(url)
      directory.remove()
    })

    it('let everything through, and store nothing, until something was refused', async () => {
      const asked = await Promise.all(Array.from({ length: 20 }, () => here.ask([gate])))
      const times = asked.map(({ at }) => at)
      assert.deepEqual(new Set(times), new Set([clock.now()]))
      assert.equal((await stores[0]?.range(gates, '!', '~', 10))?.length, 0)
    })

    it('give everybody a time of its own after the closing, over processes, the refused one the first', async () => {
      const start = clock.now()
      const first = await here.close(gate, 7000)
      assert.equal(first.at, start + 7000)
      const asked = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? here : there).ask([gate]))
      const times = timesOf([first, ...(await Promise.all(asked))])
      assert.equal(new Set(times).size, 21)
      times.forEach((time, index) => assert.ok(time >= start + 7000 + index * 100 - 1, `${time - start}`))
    })

    it('let who has waited through at its time, and send who comes then behind those that wait', async () => {
      const first = await here.close(gate, 7000)
      const second = await there.ask([gate])
      clock.advance(7000)
      assert.equal((await here.ask([gate], first)).at, clock.now())
      const newcomer = await here.ask([gate])
      assert.ok(newcomer.at > second.at)
      clock.advance(second.at - clock.now())
      assert.equal((await there.ask([gate], second)).at, clock.now())
      clock.advance(60_000)
      assert.equal((await there.ask([gate])).at, clock.now())
    })

    it('make who has waited wait again where it was closed anew', async () => {
      const first = await here.close(gate, 1000)
      clock.advance(1000)
      await there.close(gate, 5000)
      const again = await here.ask([gate], first)
      assert.ok(again.at >= clock.now() + 5000)
    })

    it('never open earlier because somebody heard of a shorter wait', async () => {
      await here.close(gate, 60_000)
      await there.close(gate, 10)
      clock.advance(59_000)
      assert.ok((await there.ask([gate])).at > clock.now())
    })

    it('of one identity say nothing about another, and those of an app are the same for all', async () => {
      await here.close(gate, 7000)
      assert.equal((await there.ask([keyGate(post, bob)])).at, clock.now())
      const app = { scope: 'app', name: 'daily' } as const
      await here.close(keyGate(app, ada), 7000)
      assert.ok((await there.ask([keyGate(app, bob)])).at >= clock.now() + 7000)
      const elsewhere = keyGate(app, { ...bob, integration: 'other' })
      assert.equal((await there.ask([elsewhere])).at, clock.now())
    })

    it('keep to a pace that is known, over processes', async () => {
      const paced = keyGate({ scope: 'app', name: 'base', pace: { requests: 5, perMs: 1000 } }, ada)
      const sent: number[] = []
      let waiting = Array.from({ length: 20 }, (_, index) => ({
        gates: index % 2 === 0 ? here : there,
        ticket: undefined as Ticket | undefined,
      }))
      while (waiting.length > 0) {
        // All whose time has come ask at once, as they would.
        const due = waiting.filter(({ ticket }) => ticket === undefined || ticket.at <= clock.now())
        await Promise.all(due.map(async (one) => (one.ticket = await one.gates.ask([paced], one.ticket))))
        const now = clock.now()
        for (const { ticket } of due) if ((ticket?.at ?? Infinity) <= now) sent.push(now)
        waiting = waiting.filter((one) => !due.includes(one) || (one.ticket?.at ?? 0) > now)
        const next = Math.min(...waiting.map(({ ticket }) => ticket?.at ?? now))
        // Everybody comes late now and then.
        if (next > now && waiting.length > 0) clock.advance(next - now + (sent.length === 7 ? 900 : 0))
      }
      for (let at = 5; at < sent.length; at += 1)
        assert.ok(
          (sent[at] ?? 0) - (sent[at - 5] ?? 0) >= 1000,
          sent.map((time) => time - (sent[0] ?? 0)).join(),
        )
      assert.equal(sent.length, 20)
    })

    it('have to be open all, where a request passes several', async () => {
      const other: KeyedGate = keyGate({ scope: 'connection', name: 'secondary' }, ada)
      await here.close(other, 3000)
      assert.ok((await there.ask([gate, other])).at >= clock.now() + 3000)
      assert.equal((await there.ask([gate])).at, clock.now())
    })

    it('keep to what their process knows while the store is away', async () => {
      await stores[0]?.close()
      await assert.rejects(here.close(gate, 7000))
      assert.equal((await here.ask([gate])).at, clock.now() + 7000)
      assert.equal((await here.ask([keyGate(post, bob)])).at, clock.now())
    })

    it('keep the places of a request in the line of one while it waits for another', async () => {
      const paced = keyGate({ scope: 'connection', name: 'token', pace: { requests: 10, perMs: 1000 } }, ada)
      await there.ask([paced])
      const first = await here.ask([paced, gate])
      assert.ok(first.at > clock.now())
      clock.advance(first.at - clock.now())
      await there.close(gate, 2000)
      const second = await here.ask([paced, gate], first)
      clock.advance(second.at - clock.now())
      // Others use the pace up meanwhile.
      for (let count = 0; count < 30; count += 1) await there.ask([paced])
      const { at } = await here.ask([paced, gate], second)
      // Not behind those thirty.
      assert.ok(at - clock.now() <= 250, `${at - clock.now()} ms`)
    })
  })
}

describe('a breaker', () => {
  const host = 'api.example.com'
  let clock: ReturnType<typeof createClock>
  let breaker: HostBreaker

  beforeEach(() => {
    clock = createClock()
    breaker = new HostBreaker({ now: clock.now, random: () => 0 })
  })

  const fail = (count: number, identities: readonly string[]): void => {
    for (let at = 0; at < count; at += 1) breaker.note(host, identities[at % identities.length] ?? '', true)
  }
  const isOpen = (): boolean => breaker.ask(host) > clock.now()

  it('stops nobody because of the failures of one', () => {
    fail(100, ['ada'])
    assert.equal(isOpen(), false)
  })

  it('stops everybody after a row of failures of several, and lets one try after a while', () => {
    fail(8, ['ada', 'bob'])
    assert.equal(breaker.ask(host), clock.now() + 5000)
    assert.equal(breaker.ask('other.example.com'), clock.now())
    clock.advance(5000)
    assert.equal(isOpen(), false)
    assert.equal(isOpen(), true)
    breaker.note(host, 'ada', false)
    assert.equal(isOpen(), false)
    assert.equal(isOpen(), false)
  })

  it('stops them for longer each time the try fails, for a minute at most', () => {
    fail(8, ['ada', 'bob'])
    const waits: number[] = []
    for (let round = 0; round < 6; round += 1) {
      const wait = breaker.ask(host) - clock.now()
      waits.push(wait)
      clock.advance(wait)
      assert.equal(isOpen(), false)
      fail(1, ['ada'])
    }
    assert.deepEqual(waits, [5000, 10_000, 20_000, 40_000, 60_000, 60_000])
  })

  it('forgets failures after an answer, or after a minute', () => {
    fail(7, ['ada', 'bob'])
    breaker.note(host, 'ada', false)
    fail(7, ['ada', 'bob'])
    clock.advance(61_000)
    fail(7, ['ada', 'bob'])
    assert.equal(isOpen(), false)
  })
})

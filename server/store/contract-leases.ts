// Contract: leases and fences. Times are real and short; the margin is shortened by the fixtures.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { marginMs, withPair } from './contract-fixtures.ts'
import type { OpenBackend } from './contract-fixtures.ts'
import type { Lease, Store } from './store.ts'

/** Declares the cases. */
export function leaseCases(openBackend: OpenBackend): void {
  describe('acquireLease', () => {
    it('gives a name to one owner', withPair(openBackend, oneOwner))
    it('is taken over at its end plus the margin, not before', withPair(openBackend, takenOver))
    it('has one winner among 50', withPair(openBackend, oneWinner))
  })
  describe('renewLease', () => {
    it('prolongs from now and fails once the lease is lost', withPair(openBackend, renews))
  })
  describe('releaseLease', () => {
    it('frees the name, and leaves a taken-over lease alone', withPair(openBackend, releases))
  })
  describe('takeFence', () => {
    it('ends the lease and rises above every fence', withPair(openBackend, fences))
  })
}

type Run = Parameters<typeof withPair>[1]

async function mustAcquire(store: Store, owner: string, leaseMs: number): Promise<Lease> {
  const lease = await store.acquireLease('job', owner, leaseMs)
  assert.ok(lease, `${owner} gets the lease`)
  return lease
}

const oneOwner: Run = async ({ store, second }) => {
  const first = await mustAcquire(store, 'a', 60_000)
  assert.deepEqual(first, { name: 'job', owner: 'a', fence: first.fence })
  assert.equal(await second.acquireLease('job', 'b', 60_000), undefined)
  const again = await mustAcquire(second, 'a', 60_000)
  assert.ok(again.fence > first.fence)
  // The owner's older claim is no longer the lease.
  assert.equal(await store.renewLease(first, 60_000), false)
  assert.equal(await store.renewLease(again, 60_000), true)
  assert.ok(await second.acquireLease('other job', '$owner', 60_000))
  assert.equal(await store.acquireLease('other job', 'b', 60_000), undefined)
}

const takenOver: Run = async ({ store, second }) => {
  const leaseMs = 30
  // From before the first claim to after the second, so that slow answers don't matter. A ms is for rounding.
  const start = performance.now()
  const first = await mustAcquire(store, 'a', leaseMs)
  let next: Lease | undefined
  while (next === undefined) {
    next = await second.acquireLease('job', 'b', 60_000)
    assert.ok(performance.now() - start < 10_000, 'at last')
    await sleep(5)
  }
  assert.ok(performance.now() - start >= leaseMs + marginMs - 1, 'not before')
  assert.ok(next.fence > first.fence)
  assert.equal(await store.renewLease(first, leaseMs), false)
}

const oneWinner: Run = async ({ store, second }) => {
  const tries = Array.from({ length: 50 }, (_, at) =>
    (at % 2 ? store : second).acquireLease('job', `o${at}`, 60_000),
  )
  const won = (await Promise.all(tries)).filter((lease) => lease !== undefined)
  assert.equal(won.length, 1)
}

const renews: Run = async ({ store, second }) => {
  const lease = await mustAcquire(store, 'a', 50)
  const until = performance.now() + 50 + marginMs + 100
  while (performance.now() < until) {
    assert.equal(await store.renewLease(lease, 60_000), true)
    await sleep(30)
  }
  assert.equal(await second.acquireLease('job', 'b', 50), undefined)
  assert.equal(await store.renewLease({ ...lease, owner: 'b' }, 50), false)
  assert.equal(await store.renewLease({ ...lease, name: 'unknown' }, 50), false)
  await store.releaseLease(lease)
  assert.equal(await store.renewLease(lease, 50), false)
}

const releases: Run = async ({ store, second }) => {
  const first = await mustAcquire(store, 'a', 60_000)
  await store.releaseLease(first)
  const next = await mustAcquire(second, 'b', 60_000)
  assert.ok(next.fence > first.fence)
  await store.releaseLease(first)
  assert.equal(await store.acquireLease('job', 'a', 60_000), undefined)
  assert.equal(await second.renewLease(next, 60_000), true)
}

const fences: Run = async ({ store, second }) => {
  const seen: number[] = [await store.takeFence('job')]
  const lease = await mustAcquire(store, 'a', 60_000)
  seen.push(lease.fence, await second.takeFence('job'))
  assert.equal(await store.renewLease(lease, 60_000), false)
  const next = await mustAcquire(second, 'b', 60_000)
  await second.releaseLease(next)
  seen.push(next.fence, await store.takeFence('job'))
  const many = Array.from({ length: 20 }, (_, at) => (at % 2 ? store : second).takeFence('job'))
  const rest = (await Promise.all(many)).sort((left, right) => left - right)
  const all = [...seen, ...rest]
  assert.ok(
    all.every((fence, at) => at === 0 || fence > (all[at - 1] ?? Infinity)),
    all.join(' '),
  )
}

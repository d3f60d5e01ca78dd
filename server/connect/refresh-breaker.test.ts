import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import { createBreakers, type Breakers, type Permit } from './refresh-breaker.ts'

const host = 'tokens.example.com'
let now = 0
let breakers: Breakers
beforeEach(() => {
  now = 1_000_000
  breakers = createBreakers(() => now)
})

const down = (): AuthFlowError =>
  new AuthFlowError('provider_unavailable', undefined, { details: { status: 503 } })
const enter = (at = host): Permit => {
  const permit = breakers.enter(at)
  assert.ok('settle' in permit, 'the circuit is open')
  return permit
}
const refused = (at = host): number => {
  const answer = breakers.enter(at)
  assert.ok('waitMs' in answer, 'the circuit is not open')
  return answer.waitMs
}
const fail = (times: number, error: unknown = down()): void => {
  for (let at = 0; at < times; at += 1) enter().settle(error)
}

describe('createBreakers', () => {
  it('opens after five failures in a row, for one to two seconds', () => {
    fail(4)
    enter().settle()
    fail(4)
    enter().settle(down())
    const waitMs = refused()
    assert.ok(waitMs >= 1_000 && waitMs <= 2_000, String(waitMs))
    assert.ok('settle' in breakers.enter('others.example.com'), 'other hosts are left alone')
  })

  it('lets one request through when its time is over, and closes when that works', () => {
    fail(5)
    now += refused()
    const probe = enter()
    assert.equal(refused(), 1_000, 'the others wait for the probe')
    probe.settle()
    for (let at = 0; at < 100; at += 1) enter()
  })

  it('opens again for twice as long when the probe fails, up to a minute', () => {
    fail(5)
    let before = refused()
    for (let probes = 1; probes <= 12; probes += 1) {
      now += before
      enter().settle(down())
      const waitMs = refused()
      const full = Math.min(60_000, 2_000 * 2 ** probes)
      assert.ok(waitMs >= full / 2 && waitMs <= full, `${waitMs} after ${probes} probes`)
      before = waitMs
    }
  })

  it('lets the next one probe when a probe asked nothing', () => {
    fail(5)
    now += refused()
    enter().abandon()
    const probe = enter()
    probe.abandon()
    probe.settle(down())
    enter()
  })

  it('does not count what says nothing about the host', () => {
    const status = (code: 'provider_unavailable' | 'needs_reauth' | 'provider_rejected', value: number) =>
      new AuthFlowError(code, undefined, { details: { status: value } })
    for (const error of [
      status('provider_unavailable', 429),
      status('provider_unavailable', 408),
      status('needs_reauth', 400),
      status('provider_rejected', 400),
      new AuthFlowError('provider_reply_invalid'),
      new AuthFlowError('client_misconfigured'),
      new AuthFlowError('blocked_host'),
    ]) {
      fail(20, error)
      enter().abandon()
    }
    fail(4)
    enter().settle(status('provider_unavailable', 429))
    fail(4)
    enter()
  })

  it('counts silence as failure', () => {
    fail(5, new AuthFlowError('provider_unavailable'))
    refused()
  })

  it('is not held open by answers to what was sent before it opened', () => {
    const early = Array.from({ length: 50 }, () => enter())
    for (const permit of early.slice(0, 40)) permit.settle(down())
    assert.ok(refused() <= 2_000)
    now += 2_000
    const probe = enter()
    for (const permit of early.slice(40)) permit.settle(down())
    probe.settle()
    enter()
  })

  it('closes when the clock is set back', () => {
    fail(5)
    now -= 3_600_000
    enter().settle()
    enter()
  })

  it('remembers a bounded number of hosts', () => {
    fail(5)
    for (let at = 0; at < 999; at += 1) enter(`shop-${at}.example.com`).settle()
    refused()
    for (let at = 0; at < 1_000; at += 1) enter(`shop-${at}.example.com`).settle()
    enter()
  })
})

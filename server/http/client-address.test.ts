import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readTrustedProxies } from './client-address.ts'

/** A request from a peer. */
function requestFrom(peer: string | undefined, headers: Record<string, string> = {}): IncomingMessage {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer })
  const req = new IncomingMessage(socket)
  Object.assign(req.headers, headers)
  return req
}

describe('D7: readTrustedProxies', () => {
  it('reads no header unless the host names a proxy', () => {
    const clients = readTrustedProxies()
    for (const headers of [
      {},
      { 'x-forwarded-for': '203.0.113.9' },
      { forwarded: 'for=203.0.113.9' },
      { 'x-real-ip': '203.0.113.9' },
    ]) {
      assert.equal(clients.of(requestFrom('198.51.100.1', headers)), '198.51.100.1')
    }
  })

  it('goes as many hops outwards as there are proxies, and no further', () => {
    const forwarded = { 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.0.0.7' }
    const of = (count: number): string => readTrustedProxies(count).of(requestFrom('10.0.0.1', forwarded))
    assert.deepEqual([0, 1, 2, 3, 9].map(of), ['10.0.0.1', '10.0.0.7', '203.0.113.9', '6.6.6.6', '6.6.6.6'])
  })

  it('believes named proxies about the hop before them, and nobody else', () => {
    const clients = readTrustedProxies(['10.0.0.0/8', '::1', '2001:db8::/32'])
    const of = (peer: string, chain: string): string =>
      clients.of(requestFrom(peer, { 'x-forwarded-for': chain }))
    assert.equal(of('10.0.0.1', '6.6.6.6, 203.0.113.9'), '203.0.113.9')
    assert.equal(of('10.0.0.1', '6.6.6.6, 203.0.113.9, 10.1.2.3'), '203.0.113.9')
    assert.equal(of('::1', '203.0.113.9'), '203.0.113.9')
    assert.equal(of('::ffff:10.0.0.1', '203.0.113.9'), '203.0.113.9')
    assert.equal(of('2001:db8::5', '[2001:db9::1]:443'), '2001:db9::1')
    assert.equal(of('198.51.100.1', '203.0.113.9'), '198.51.100.1')
  })

  it('stops at what is no address', () => {
    const clients = readTrustedProxies(2)
    for (const chain of ['unknown', '', '203.0.113.9, nonsense', '203.0.113.9, 0x7f.1', '203.0.113.9,1']) {
      assert.equal(clients.of(requestFrom('10.0.0.1', { 'x-forwarded-for': chain })), '10.0.0.1')
    }
    assert.equal(clients.of(requestFrom(undefined)), 'unknown')
  })

  it('takes any header without throwing, and answers an address', () => {
    const clients = readTrustedProxies(['0.0.0.0/0', '::/0'])
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())).map((list) => list.join()),
        ),
        (chain) => {
          assert.match(clients.of(requestFrom('10.0.0.1', { 'x-forwarded-for': chain })), /^[\da-f.:]+$/)
        },
      ),
    )
  })

  it('tells where one address may be everybody', () => {
    const forwarded = requestFrom('10.0.0.1', { 'x-forwarded-for': '203.0.113.9' })
    assert.equal(readTrustedProxies().isOneClient(requestFrom('10.0.0.1')), true)
    assert.equal(readTrustedProxies().isOneClient(forwarded), false)
    assert.equal(readTrustedProxies(1).isOneClient(forwarded), true)
  })

  it('names the option that cannot be read', () => {
    for (const option of [-1, 1.5, 33, Number.NaN, ['10.0.0.0/40'], ['proxy.internal'], ['']]) {
      assert.throws(() => readTrustedProxies(option), {
        code: 'invalid_option',
        details: { option: 'trustedProxies' },
      })
    }
  })
})

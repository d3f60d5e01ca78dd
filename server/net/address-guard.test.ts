import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { judgeAddress } from './address-guard.ts'

const publicAddresses = [
  '8.8.8.8',
  '1.1.1.1',
  '140.82.112.3',
  '172.15.255.255',
  '172.32.0.1',
  '100.63.255.255',
  '100.128.0.1',
  '2606:4700:4700::1111',
  '2a00:1450:4001:81c::200e',
  '2620:fe::fe',
]

const refusedAddresses: Record<string, readonly string[]> = {
  unspecified: ['0.0.0.0', '0.1.2.3', '::'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', 'fc00::1', 'fd12:3456:789a::1'],
  'carrier-grade NAT': ['100.64.0.1', '100.100.100.200', '100.127.255.255'],
  'link-local and metadata': [
    '169.254.169.254',
    '169.254.170.2',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '168.63.129.16',
  ],
  'multicast and broadcast': ['224.0.0.1', '239.255.255.250', '255.255.255.255', 'ff02::1'],
  reserved: [
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '240.0.0.1',
    '192.88.99.1',
  ],
  'IPv4-mapped': [
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:0:127.0.0.1',
  ],
  'IPv4-compatible': ['::127.0.0.1', '::7f00:1', '::a00:1', '::8.8.8.8'],
  NAT64: ['64:ff9b::7f00:1', '64:ff9b::169.254.169.254', '64:ff9b:1::1', '64:ff9b:1:ffff::10.0.0.1'],
  '6to4': ['2002:7f00:1::', '2002:a9fe:a9fe::1'],
  Teredo: ['2001::1', '2001:0:7f00:1::1', '2001:0:53aa:64c:0:0:80ff:fffe'],
  ISATAP: ['2606:4700::5efe:127.0.0.1', '2606:4700::200:5efe:10.0.0.1'],
  'discard, documentation, old': [
    '100::1',
    '100:0:0:1::1',
    '2001:db8::1',
    '3fff::1',
    'fec0::1',
    '5f00::1',
    '2001:2::1',
    '2001:10::1',
  ],
  'no address': [
    '',
    'localhost',
    '127.1',
    '0x7f000001',
    '017700000001',
    '2130706433',
    '127.0.0.1.',
    '[::1]',
    '1.2.3.4/32',
    '8.8.8.8\n',
  ],
}

describe('judgeAddress', () => {
  it('lets globally routed addresses through', () => {
    for (const address of publicAddresses) assert.equal(judgeAddress(address), 'public', address)
  })

  it('tells loopback from the rest', () => {
    for (const address of ['127.0.0.1', '127.255.255.254', '::1', '0:0:0:0:0:0:0:1']) {
      assert.equal(judgeAddress(address), 'loopback', address)
    }
  })

  for (const [range, addresses] of Object.entries(refusedAddresses)) {
    it(`refuses ${range}`, () => {
      for (const address of addresses) assert.equal(judgeAddress(address), 'refused', address)
    })
  }

  it('never calls an IPv6 address public that carries a private IPv4 address in a known way', () => {
    const octet = fc.integer({ min: 0, max: 255 })
    const inside = fc.oneof(
      fc.tuple(fc.constant(10), octet, octet, octet),
      fc.tuple(fc.constant(127), octet, octet, octet),
      fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
      fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
    )
    const wrap = fc.constantFrom('::', '::ffff:', '::ffff:0:', '64:ff9b::', '64:ff9b:1::', '2606:4700::5efe:')
    fc.assert(
      fc.property(wrap, inside, (prefix, octets) => {
        assert.notEqual(judgeAddress(prefix + octets.join('.')), 'public')
        assert.equal(judgeAddress(octets.join('.')) === 'public', false)
      }),
    )
  })

  it('answers for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (text) => judgeAddress(text).length > 0),
    )
  })
})

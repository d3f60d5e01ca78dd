import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isLoopbackOrigin, isPageOrigin } from './origins.ts'

describe('isPageOrigin', () => {
  it('takes https origins as browsers write them', () => {
    for (const origin of [
      'https://app.example.com',
      'https://app.example.com:8443',
      'https://xn--bcher-kva.example',
    ]) {
      assert.equal(isPageOrigin(origin, false), true, origin)
    }
  })

  it('takes http of loopback hosts only where that is allowed', () => {
    for (const origin of [
      'http://localhost:3000',
      'http://127.0.0.1',
      'http://[::1]:8080',
      'http://shop.localhost',
    ]) {
      assert.equal(isPageOrigin(origin, true), true, origin)
      assert.equal(isPageOrigin(origin, false), false, origin)
    }
    assert.equal(isPageOrigin('http://app.example.com', true), false)
    assert.equal(isPageOrigin('http://localhost.example.com', true), false)
    assert.equal(isPageOrigin('http://127.0.0.1.example.com', true), false)
  })

  it('refuses everything that is not written that way', () => {
    const others = [
      '',
      'null',
      '*',
      'https://',
      'https://a.example/',
      'https://a.example/x',
      'https://a.example?x',
    ]
    others.push('https://u:p@a.example', 'HTTPS://a.example', 'https://A.example', 'https://a.example:443')
    others.push('file://', 'data:text/html,x', 'javascript:alert(1)', `https://${'a'.repeat(600)}.example`)
    for (const origin of others) assert.equal(isPageOrigin(origin, true), false, origin)
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof isPageOrigin(text, true) === 'boolean'))
  })
})

describe('isLoopbackOrigin', () => {
  it('is about the host, not the scheme', () => {
    assert.equal(isLoopbackOrigin('https://localhost:3000'), true)
    assert.equal(isLoopbackOrigin('http://localhost:3000'), true)
    assert.equal(isLoopbackOrigin('https://app.example.com'), false)
    assert.equal(isLoopbackOrigin('null'), false)
  })
})

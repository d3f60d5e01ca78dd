import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { scrubText } from './scrub-text.ts'

describe('scrubText', () => {
  it('keeps the text around a secret', () => {
    assert.equal(
      scrubText('GET https://x.test/cb?a=1&code=4/0Ab_c&state=xyz#done failed'),
      'GET https://x.test/cb?a=1&code=[secret]&state=[secret]#done failed',
    )
    assert.equal(scrubText('{"access_token":"a\\"b","ok":true}'), '{"access_token":"[secret]","ok":true}')
    assert.equal(
      scrubText('grant_type=refresh_token&refresh_token=abc'),
      'grant_type=refresh_token&refresh_token=[secret]',
    )
    assert.equal(scrubText('postgres://u:p@h/db'), 'postgres://[secret]@h/db')
    assert.equal(
      scrubText('nothing to hide: 12:30, a@b.co, ./path?x=1'),
      'nothing to hide: 12:30, a@b.co, ./path?x=1',
    )
  })

  it('takes out any value of a secret parameter', () => {
    const name = fc.constantFrom(
      'code',
      'state',
      'token',
      'access_token',
      'key',
      'api_key',
      'client_secret',
      'X-Amz-Signature',
      'sig',
    )
    const value = fc.stringMatching(/^[a-z0-9._~-]{1,40}$/).map((text) => `ZQ${text}`)
    const before = fc.constantFrom('https://x.test/?', 'https://x.test/?a=b&', 'https://x.test/#', '/path?')
    fc.assert(
      fc.property(before, name, value, (prefix, key, secret) => {
        assert.equal(
          scrubText(`at ${prefix}${key}=${secret}&z=1 failed`),
          `at ${prefix}${key}=[secret]&z=1 failed`,
        )
        assert.doesNotMatch(scrubText(`?next=${encodeURIComponent(`${prefix}${key}=${secret}&z=1`)}`), /ZQ/)
      }),
    )
  })

  it('changes nothing the second time', () => {
    const piece = fc.constantFrom(
      'token',
      '=',
      '"',
      "'",
      ':',
      ' ',
      '?',
      '&',
      'Bearer ',
      'ctk_ct_',
      'abc123',
      '://',
      '@',
      'password',
      '\\',
      '[secret]',
      '%3F',
      '%3D',
      'xoxb-',
      'eyJ',
      '{',
      ',',
    )
    for (const text of [`password:''`, `password:"a'`, `password:'a"`]) {
      assert.equal(scrubText(scrubText(text)), scrubText(text))
    }
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const once = scrubText(pieces.join(''))
        assert.equal(scrubText(once), once)
      }),
      { numRuns: 800 },
    )
  })

  it('takes time in proportion to the text, however it is built', () => {
    const units = [
      'code',
      '?code',
      '&token-',
      'eyJ-',
      '-eyJaaaaaaaaaaaaaaaaa',
      'a://',
      'http://a',
      'bearer ',
      'Basic a',
      'password',
      'password:',
      "password='\\",
      '%3Fkey',
      '-----BEGIN ',
      'ctk_ct_',
      ' ',
      '\\',
    ]
    for (const unit of units) {
      const started = performance.now()
      scrubText(unit.repeat(65_536 / unit.length))
      assert.ok(performance.now() - started < 500, `${unit}: ${performance.now() - started} ms`)
    }
    assert.equal(scrubText('x'.repeat(70_000)), '[text of 70000 characters]')
  })
})

// A5: who answered.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import type { OAuth2Method } from '../integrations/integration.ts'
import { oauthMethod } from './fixtures/methods.ts'
import { judgeIssuer } from './issuer.ts'

const judge = (changes: Partial<OAuth2Method>, ...issuers: string[]): void =>
  judgeIssuer(
    oauthMethod('https://login.example', changes),
    { tenant: 't1' },
    new URLSearchParams(issuers.map((issuer) => ['iss', issuer])),
  )
const refused = { code: 'issuer_mismatch' }
const issuer: OAuth2Method['issuer'] = ({ tenant }) => `https://login.example/${tenant}`

describe('A5 judgeIssuer', () => {
  it('takes the issuer that the method names, character by character', () => {
    judge({ issuer }, 'https://login.example/t1')
    const others = [
      'https://login.example/t1/',
      'https://LOGIN.example/t1',
      'https://login.example/t2',
      '',
      'null',
    ]
    for (const other of others) assert.throws(() => judge({ issuer }, other), refused, other)
  })

  it('refuses a missing one where the server always sends it, and only there', () => {
    judge({ issuer })
    assert.throws(() => judge({ issuer, issuerRequired: true }), refused)
    judge({ issuer, issuerRequired: true }, 'https://login.example/t1')
  })

  it('refuses several, even equal ones', () => {
    assert.throws(() => judge({ issuer }, 'https://login.example/t1', 'https://login.example/t1'), refused)
    assert.throws(() => judge({}, 'https://login.example', 'https://login.example'), refused)
  })

  it('takes only one of the origin that the user was sent to where the method names none', () => {
    judge({})
    judge({}, 'https://login.example')
    judge({}, 'https://login.example/oauth')
    for (const other of [
      'https://evil.example',
      'https://login.example.evil.example',
      'http://login.example',
      'x',
      '',
    ]) {
      assert.throws(() => judge({}, other), refused, other)
    }
  })

  it('never takes an issuer of another origin, whatever it looks like', () => {
    const anyUrl = fc.oneof(
      fc.webUrl(),
      fc.string(),
      fc.constantFrom('//login.example', 'https:login.example@evil.example'),
    )
    fc.assert(
      fc.property(anyUrl, (other) => {
        fc.pre(!URL.canParse(other) || new URL(other).origin !== 'https://login.example')
        assert.throws(() => judge({}, other), refused)
        assert.throws(() => judge({ issuer }, other), refused)
      }),
      { numRuns: casesOf(2000) },
    )
  })
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { parseSecretKeys } from './secret-keys.ts'

const newKey = (): { key: string; hex: string } => {
  const key = `ctk_sk_${randomText(43)}`
  return { key, hex: createHash('sha256').update(key).digest('hex') }
}
const [first, second, third] = [newKey(), newKey(), newKey()]

describe('parseSecretKeys', () => {
  it('gives each key its scopes, and connect:create to one without', () => {
    const keys = parseSecretKeys(
      `web=connections:write+jobs:write=${first.hex}, plain=${second.hex},`.slice(0, -1),
    )
    assert.deepEqual(keys.check(first.key, 'jobs:write'), { id: 'web' })
    assert.deepEqual(keys.check(first.key, 'connections:write'), { id: 'web' })
    assert.throws(() => keys.check(first.key, 'connect:create'), { code: 'scope_missing' })
    assert.deepEqual(keys.check(second.key, 'connect:create'), { id: 'plain' })
    assert.throws(() => keys.check(second.key, 'auth:read', 'slack'), { code: 'scope_missing' })
  })

  it('limits auth:read to integrations where it says so', () => {
    const keys = parseSecretKeys(
      `web=connect:create+auth:read(slack-customers|github)=${first.hex},all=auth:read=${second.hex}`,
    )
    assert.deepEqual(keys.check(first.key, 'auth:read', 'github'), { id: 'web' })
    assert.throws(() => keys.check(first.key, 'auth:read', 'airtable'), { code: 'scope_missing' })
    assert.throws(() => keys.check(first.key, 'auth:read'), { code: 'scope_missing' })
    assert.deepEqual(keys.check(second.key, 'auth:read', 'anything'), { id: 'all' })
  })

  it('lets admin do everything', () => {
    const keys = parseSecretKeys(`root=admin=${first.hex}`)
    for (const scope of [
      'connect:create',
      'auth:read',
      'connections:write',
      'jobs:read',
      'jobs:write',
      'admin',
    ] as const) {
      assert.deepEqual(keys.check(first.key, scope, 'slack'), { id: 'root' })
    }
  })

  it('lets keys that may start runs see them, and no key that may see them start any', () => {
    const keys = parseSecretKeys(`worker=jobs:write=${first.hex},panel=jobs:read=${second.hex}`)
    assert.deepEqual(keys.check(first.key, 'jobs:read'), { id: 'worker' })
    assert.deepEqual(keys.check(second.key, 'jobs:read'), { id: 'panel' })
    assert.throws(() => keys.check(second.key, 'jobs:write'), { code: 'scope_missing' })
    assert.throws(() => keys.check(second.key, 'auth:read', 'slack'), { code: 'scope_missing' })
  })

  it('tells a missing key from an unknown one', () => {
    const keys = parseSecretKeys(`web=${first.hex}`)
    assert.throws(() => keys.check(undefined, 'connect:create'), { code: 'unauthenticated' })
    assert.throws(() => keys.check('', 'connect:create'), { code: 'unauthenticated' })
    assert.throws(() => keys.check(third.key, 'connect:create'), { code: 'key_invalid' })
    assert.throws(() => keys.check(first.hex, 'connect:create'), { code: 'key_invalid' })
    assert.throws(() => parseSecretKeys('').check(first.key, 'connect:create'), { code: 'key_invalid' })
  })

  it('takes no key of another shape, even one whose digest is configured', () => {
    const hex = createHash('sha256').update('password').digest('hex')
    assert.throws(() => parseSecretKeys(`web=${hex}`).check('password', 'connect:create'), {
      code: 'key_invalid',
    })
  })

  it('says where a key stands in place of its digest, and never which', () => {
    const { key, hex } = first
    for (const text of [
      key,
      `web=${second.hex},${key}`,
      `web=${key}`,
      `web=admin=${key}`,
      `${key}=${hex}`,
      `${key}=admin=${hex}`,
    ]) {
      assert.throws(
        () => parseSecretKeys(text),
        (error: Error) => {
          assert.match(error.message, /entry (web|number [12]): that is a key itself/)
          assert.equal(error.message.includes(key), false)
          return true
        },
      )
    }
  })

  it('names the entry at fault and never the digest', () => {
    const faults: readonly (readonly [string, RegExp])[] = [
      [`web=${first.hex},=admin=${second.hex}`, /entry number 2/],
      [`web=nonsense=${first.hex}`, /entry web: unknown scope/],
      [`web=${first.hex.toUpperCase()}`, /entry web: .*lower-case hex/],
      [`web=admin=${first.hex}=x`, /entry web: expected id=/],
      [`web`, /entry number 1: expected id=/],
      [`web=admin+admin=${first.hex}`, /entry web: admin stands twice/],
      [`web=admin(slack)=${first.hex}`, /entry web: admin can't be limited/],
      [`web=auth:read()=${first.hex}`, /entry web: expected auth:read/],
      [`web=${first.hex},web=${second.hex}`, /entry web: its id is used twice/],
      [`web=${first.hex},api=${first.hex}`, /entry api: its digest is that of another/],
    ]
    for (const [text, message] of faults) {
      assert.throws(
        () => parseSecretKeys(text),
        (error: Error & { code: string; details: { option: string } }) => {
          assert.equal(error.code, 'invalid_option')
          assert.equal(error.details.option, 'secretKeys')
          assert.match(error.message, message)
          assert.equal(error.message.toLowerCase().includes(first.hex), false)
          return true
        },
      )
    }
  })
})

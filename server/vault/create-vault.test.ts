import assert from 'node:assert/strict'
import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { isAuthFlowError } from '../../shared/errors.ts'
import { createVault } from './create-vault.ts'
import { createKeyRing } from './key-ring.ts'
import { netstrings } from './netstrings.ts'
import type { SealContext, Vault } from './vault.ts'

/** Text of any UTF-16 units, well-formed. */
const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff)), { maxLength })
    .map((units) => String.fromCharCode(...units).toWellFormed())

const k1 = { kid: 'k1', key: randomBytes(32) }
const k2 = { kid: 'k2', key: randomBytes(32) }
const vaultOf = (keys = [k1], environment = 'test'): Vault<string> =>
  createVault<string>({ keys: createKeyRing(keys), environment })
const vault = vaultOf()

const context: SealContext<string> = {
  recordType: 'credential',
  recordId: 'con_1',
  integration: 'slack',
  accountId: 'account-1',
  field: 'accessToken',
}

/** One error for everything: no cause, always the same words. */
function refuses(open: () => string, note = ''): void {
  let shown: string
  try {
    shown = open()
  } catch (error) {
    assert.ok(isAuthFlowError(error), `${note} ${String(error)}`)
    assert.equal(error.code, 'unreadable_ciphertext', note)
    assert.equal(error.cause, undefined)
    assert.deepEqual(error.toReply().code, 'internal')
    return
  }
  assert.fail(`opened: ${note} ${shown}`)
}

/** The sealed text with its bytes changed. */
function alter(sealed: string, change: (bytes: Buffer) => Uint8Array): string {
  const [format, kid, body] = sealed.split('.')
  return `${format}.${kid}.${Buffer.from(change(Buffer.from(body ?? '', 'base64url'))).toString('base64url')}`
}

const text = anyText(300)
const contexts = fc.record({
  recordType: text,
  recordId: text,
  integration: text,
  accountId: text,
  field: text,
})

describe('createVault', () => {
  it('opens what it sealed, whatever the text and the place', () => {
    fc.assert(
      fc.property(text, contexts, (plaintext, place) => {
        assert.equal(vault.open(vault.seal(plaintext, place), place), plaintext)
      }),
    )
    for (const plaintext of ['', 'x'.repeat(1_000_000), '\0', '👩‍🚀', '\uFEFFbom']) {
      assert.equal(vault.open(vault.seal(plaintext, context), context), plaintext)
    }
  })

  it('never seals the same twice', () => {
    const sealed = Array.from({ length: 200 }, () => vault.seal('same', context))
    assert.equal(new Set(sealed).size, 200)
    const [salts, ivs] = [new Set<string>(), new Set<string>()]
    for (const one of sealed) {
      const bytes = Buffer.from(one.split('.')[2] ?? '', 'base64url')
      salts.add(bytes.toString('hex', 0, 32))
      ivs.add(bytes.toString('hex', 32, 44))
    }
    assert.equal(salts.size + ivs.size, 400)
  })

  it('opens a value only where it was sealed for: every pair of places differs', () => {
    const others = ['recordType', 'recordId', 'integration', 'accountId', 'field'] as const
    const places = [context, ...others.map((part) => ({ ...context, [part]: `${context[part]}x` }))]
    places.push({ ...context, integration: context.accountId, accountId: context.integration })
    places.push(
      { ...context, integration: 'slackaccount-', accountId: '1' },
      { ...context, integration: '', accountId: 'slackaccount-1' },
    )
    places.push(
      { ...context, integration: 'a,b', accountId: 'c' },
      { ...context, integration: 'a', accountId: 'b,c' },
    )
    places.push(
      { ...context, integration: 'a,1:b', accountId: 'c' },
      { ...context, integration: 'a', accountId: '1:b,c' },
    )
    const sealed = places.map((place) => vault.seal('token', place))
    for (const [row, value] of sealed.entries()) {
      for (const [column, place] of places.entries()) {
        if (row === column) assert.equal(vault.open(value, place), 'token')
        else refuses(() => vault.open(value, place), `${row} at ${column}`)
      }
    }
  })

  it('never confuses two places, whatever they are called', () => {
    fc.assert(
      fc.property(contexts, contexts, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other))
        refuses(() => vault.open(vault.seal('token', one), other))
      }),
    )
  })

  it('opens nothing of another environment, of another key under the same id, or under another id', () => {
    const sealed = vault.seal('token', context)
    refuses(() => vaultOf([k1], 'production').open(sealed, context))
    refuses(() => vaultOf([{ kid: 'k1', key: k2.key }]).open(sealed, context))
    refuses(() => vaultOf([k2]).open(sealed, context))
    const both = vaultOf([k1, k2])
    refuses(() => both.open(sealed.replace('v1.k1.', 'v1.k2.'), context))
    refuses(() => vaultOf([{ kid: 'k2', key: k1.key }]).open(sealed.replace('v1.k1.', 'v1.k2.'), context))
  })

  it('writes with the first key and reads with any', () => {
    const rotated = vaultOf([k2, k1])
    assert.equal(rotated.currentKid, 'k2')
    assert.match(rotated.seal('x', context), /^v1\.k2\./)
    assert.equal(rotated.open(vault.seal('old', context), context), 'old')
    assert.equal(vaultOf([k1, k2]).open(rotated.seal('new', context), context), 'new')
    assert.equal(vault.open(rotated.sealWith('k1', 'canary', context), context), 'canary')
    assert.throws(() => vault.sealWith('k9', 'x', context), { code: 'invalid_input' })
  })

  it('refuses every truncated length', () => {
    const sealed = vault.seal('a short token', context)
    for (let length = 0; length < sealed.length; length++)
      refuses(() => vault.open(sealed.slice(0, length), context), `${length}`)
    const bytes = Buffer.from(sealed.split('.')[2] ?? '', 'base64url')
    for (let length = 0; length < bytes.length; length++) {
      refuses(
        () =>
          vault.open(
            alter(sealed, (all) => all.subarray(0, length)),
            context,
          ),
        `${length} bytes`,
      )
    }
    refuses(() =>
      vault.open(
        alter(sealed, (all) => Buffer.concat([all, Buffer.of(0)])),
        context,
      ),
    )
  })

  it('refuses every flipped byte, in its bytes and in its text', () => {
    const sealed = vault.seal('a short token', context)
    const { length } = Buffer.from(sealed.split('.')[2] ?? '', 'base64url')
    for (let at = 0; at < length; at++) {
      for (const bit of [1, 128]) {
        const changed = alter(sealed, (bytes) =>
          bytes.map((byte, index) => (index === at ? byte ^ bit : byte)),
        )
        refuses(() => vault.open(changed, context), `byte ${at}`)
      }
    }
    for (let at = 0; at < sealed.length; at++) {
      for (const other of ['A', 'B', '_', '.', '=', ' ', 'é']) {
        if (sealed[at] === other) continue
        refuses(
          () => vault.open(sealed.slice(0, at) + other + sealed.slice(at + 1), context),
          `character ${at}`,
        )
      }
    }
  })

  it('has one text for one value: no spare bits, padding, other alphabet or white space', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const sealed = vault.seal('xx', context)
    const last = alphabet.indexOf(sealed.at(-1) ?? '')
    refuses(() => vault.open(sealed.slice(0, -1) + alphabet[last ^ 1], context))
    for (const spelling of [
      `${sealed}=`,
      `${sealed}\n`,
      ` ${sealed}`,
      `${sealed}.`,
      sealed.replace('v1', 'V1'),
      `v1.k1.${sealed}`,
    ]) {
      refuses(() => vault.open(spelling, context))
    }
  })

  it('refuses a short tag, though the cipher itself would take it', () => {
    const plaintext = Buffer.from('token')
    const salt = randomBytes(32)
    const iv = randomBytes(12)
    const okm = Buffer.from(hkdfSync('sha256', k1.key, salt, netstrings('authflow', 'vault', 'v1'), 64))
    const place = netstrings('v1', 'k1', 'test', 'credential', 'con_1', 'slack', 'account-1', 'accessToken')
    for (const authTagLength of [4, 8, 12, 13, 14, 15, 16] as const) {
      const cipher = createCipheriv('aes-256-gcm', okm.subarray(0, 32), iv, { authTagLength })
      cipher.setAAD(Buffer.from(place))
      const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
      const body = Buffer.concat([salt, iv, okm.subarray(32), cipher.getAuthTag(), ciphertext])
      const open = () => vault.open(`v1.k1.${body.toString('base64url')}`, context)
      // The full tag opens, which also proves that the format is as written down.
      if (authTagLength === 16) assert.equal(open(), 'token')
      else refuses(open, `${authTagLength} bytes`)
    }
  })

  it('answers anything at all with the same error', () => {
    const junk = fc.oneof(
      anyText(100),
      fc.base64String().map((body) => `v1.k1.${body}`),
    )
    fc.assert(fc.property(junk, (sealed) => refuses(() => vault.open(sealed, context))))
    for (const value of [undefined, null, 7, {}, [], 'v1..', 'v1.__proto__.AAAA', 'x'.repeat(100)]) {
      refuses(() => vault.open(value as string, context))
    }
  })

  it('refuses what would not come back as it was', () => {
    assert.throws(() => vault.seal('\ud800', context), { code: 'invalid_input' })
    assert.throws(() => vault.seal('x', { ...context, accountId: '\udc00' }), { code: 'invalid_input' })
    assert.throws(() => vault.seal('x'.repeat(16 * 1024 * 1024 + 1), context), { code: 'document_too_large' })
    for (const environment of ['', 'x'.repeat(65), '\ud800']) {
      assert.throws(() => createVault({ keys: createKeyRing([k1]), environment }), { code: 'invalid_option' })
    }
  })

  it('shows nothing when inspected or serialised', () => {
    vault.open(vault.seal('canary-plaintext', context), context)
    const shown = inspect(vault, { depth: 9, showHidden: true }) + JSON.stringify(vault)
    assert.ok(!shown.includes('canary-plaintext'))
    assert.ok(!shown.includes(k1.key.toString('hex', 0, 4)))
  })
})

describe('Vault.session', () => {
  it('seals many values that another process opens by field', () => {
    const sealed = new Map(Array.from({ length: 50 }, (_, index) => [`task-${index}`, `result ${index}`]))
    const session = vault.session('run', 'run_1')
    const values = [...sealed].map(
      ([field, plaintext]) => [field, plaintext, session.seal(plaintext, field)] as const,
    )
    const elsewhere = vaultOf([k2, k1]).session('run', 'run_1')
    for (const [field, plaintext, value] of values) {
      assert.match(value, /^s1\.k1\./)
      assert.equal(elsewhere.open(value, field), plaintext)
      assert.equal(session.open(value, field), plaintext)
    }
  })

  it('uses one salt and a new iv for each value', () => {
    const bytes = (value: string) => Buffer.from(value.split('.')[2] ?? '', 'base64url')
    const values = Array.from({ length: 100 }, () =>
      bytes(vault.session('run', 'run_2').seal('same', 'output')),
    )
    assert.equal(new Set(values.map((value) => value.toString('hex', 0, 32))).size, 1)
    assert.equal(new Set(values.map((value) => value.toString('hex', 32, 44))).size, 100)
  })

  it('opens a value only in its record and field', () => {
    const value = vault.session('run', 'run_1').seal('result', 'a')
    refuses(() => vault.session('run', 'run_1').open(value, 'b'))
    refuses(() => vault.session('run', 'run_2').open(value, 'a'))
    refuses(() => vault.session('event', 'run_1').open(value, 'a'))
    refuses(() => vault.session('ru', 'nrun_1').open(value, 'a'))
    refuses(() => vaultOf([k1], 'production').session('run', 'run_1').open(value, 'a'))
    refuses(() => vaultOf([k2]).session('run', 'run_1').open(value, 'a'))
  })

  it('keeps apart what sessions and single values sealed', () => {
    const place = { recordType: 'run', recordId: 'run_1', integration: '', accountId: '', field: 'a' }
    const session = vault.session('run', 'run_1')
    const [single, shared] = [vault.seal('x', place), session.seal('x', 'a')]
    refuses(() => session.open(single, 'a'))
    refuses(() => session.open(single.replace('v1.', 's1.'), 'a'))
    refuses(() => vault.open(shared, place))
    refuses(() => vault.open(shared.replace('s1.', 'v1.'), place))
  })

  it('refuses every flipped byte and truncated length', () => {
    const session = vault.session('run', 'run_1')
    const value = session.seal('result', 'a')
    const { length } = Buffer.from(value.split('.')[2] ?? '', 'base64url')
    for (let at = 0; at < length; at++) {
      refuses(() =>
        session.open(
          alter(value, (all) => all.subarray(0, at)),
          'a',
        ),
      )
      refuses(() =>
        session.open(
          alter(value, (all) => all.map((byte, index) => (index === at ? byte ^ 4 : byte))),
          'a',
        ),
      )
    }
    assert.equal(session.open(value, 'a'), 'result')
  })

  it('derives once for all records of a type, however many values and sessions there are', () => {
    const ring = createKeyRing([k1])
    let derivations = 0
    const counting = {
      ...ring,
      derive: (...input: Parameters<typeof ring.derive>) => (derivations++, ring.derive(...input)),
    }
    const counted = createVault<string>({ keys: counting, environment: 'test' })
    derivations = 0
    const values = Array.from({ length: 100 }, (_, index) =>
      counted.session('run', `r${index}`).seal('x', 'a'),
    )
    for (const [index, value] of values.entries()) counted.session('run', `r${index}`).open(value, 'a')
    refuses(() => counted.session('run', 'other').open(values[0] ?? '', 'a'))
    assert.equal(derivations, 1)
    // What does not open never enters the cache.
    for (let index = 0; index < 3; index++)
      refuses(() => counted.session('event', 'r0').open(values[0] ?? '', 'a'))
    assert.equal(derivations, 4)
  })

  it('takes a new salt after an hour, and opens what it sealed before', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 })
    const salt = (value: string) => value.split('.')[2]?.slice(0, 42)
    const session = vaultOf().session('run', 'run_1')
    const first = session.seal('x', 'a')
    t.mock.timers.tick(3_599_000)
    assert.equal(salt(session.seal('x', 'a')), salt(first))
    t.mock.timers.tick(2000)
    assert.notEqual(salt(session.seal('x', 'a')), salt(first))
    assert.equal(session.open(first, 'a'), 'x')
  })

  it('still opens a value when more keys were used meanwhile than are cached', () => {
    const small = vaultOf()
    const value = small.session('first', 'r').seal('kept', 'a')
    for (let index = 0; index < 5000; index++) small.session(`other ${index}`, 'r').seal('', 'a')
    assert.equal(small.session('first', 'r').open(value, 'a'), 'kept')
  })
})

describe('Vault.reseal', () => {
  it('seals with the key that writes what another one sealed, for the same place', () => {
    const old = vaultOf([k1])
    const now = vaultOf([k2, k1])
    const sealed = now.reseal(old.seal('token', context), context)
    assert.match(sealed, /^v1\.k2\./)
    assert.equal(vaultOf([k2]).open(sealed, context), 'token')
    const inSession = now.session('run', 'run_1').reseal(old.session('run', 'run_1').seal('out', 'a'), 'a')
    assert.match(inSession, /^s1\.k2\./)
    assert.equal(vaultOf([k2]).session('run', 'run_1').open(inSession, 'a'), 'out')
  })

  it('leaves alone what the key that writes has sealed', () => {
    const sealed = vault.seal('token', context)
    assert.equal(vault.reseal(sealed, context), sealed)
    const inSession = vault.session('run', 'run_1').seal('out', 'a')
    assert.equal(vault.session('run', 'run_1').reseal(inSession, 'a'), inSession)
  })

  it('refuses what does not open there', () => {
    const now = vaultOf([k2, k1])
    const sealed = vault.seal('token', context)
    refuses(() => now.reseal(sealed, { ...context, accountId: 'account-2' }))
    refuses(() => vaultOf([k2]).reseal(sealed, context))
    refuses(() => now.session('run', 'run_2').reseal(vault.session('run', 'run_1').seal('out', 'a'), 'a'))
  })
})

describe('Vault.blindIndex', () => {
  const [index1, index2] = [randomBytes(32), randomBytes(32)]
  const indexedOf = (keys = [k1], environment = 'test', index = index1): Vault<string> => {
    const indexed = vaultOf(keys, environment)
    indexed.useIndexKey(index)
    return indexed
  }

  it('is stable for one purpose and list of parts, whatever the ring is', () => {
    const digest = indexedOf().blindIndex('identity', 'slack', 'T1')
    assert.match(digest, /^[A-Za-z0-9_-]{43}$/)
    assert.equal(indexedOf([k2, k1]).blindIndex('identity', 'slack', 'T1'), digest)
  })

  it('is not there before the index key', () => {
    assert.throws(() => vaultOf().blindIndex('identity', 'slack'), { code: 'internal' })
    assert.throws(() => vaultOf().useIndexKey(randomBytes(31)), { code: 'internal' })
  })

  it('differs for other purposes, parts, borders between parts, environments and keys', () => {
    const vault = indexedOf()
    const digests = [
      vault.blindIndex('identity', 'slack', 'T1'),
      vault.blindIndex('other', 'slack', 'T1'),
      vault.blindIndex('identity', 'slack', 'T2'),
      vault.blindIndex('identity', 'slackT', '1'),
      vault.blindIndex('identity', 'slackT1'),
      vault.blindIndex('identity', 'slack', 'T1', ''),
      vault.blindIndex('identity'),
      indexedOf([k1], 'production').blindIndex('identity', 'slack', 'T1'),
      indexedOf([k1], 'test', index2).blindIndex('identity', 'slack', 'T1'),
    ]
    assert.equal(new Set(digests).size, digests.length)
  })
})

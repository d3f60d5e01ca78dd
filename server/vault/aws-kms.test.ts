import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { inspect } from 'node:util'
import { isAuthFlowError } from '../../shared/errors.ts'
import { AuthFlow } from '../authflow.ts'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { awsKms, type AwsKmsOptions } from './aws-kms.ts'
import { account, startKms } from './fixtures/kms-server.ts'

const kms = await startKms(['key-1', 'key-2'], 'session-token')
const fetch = createGuardedFetch({ allowLoopback: true })
const directory = await mkdtemp(join(tmpdir(), 'authflow-kms-'))
after(async () => {
  await fetch.close()
  await kms.close()
  await rm(directory, { recursive: true, force: true })
})
beforeEach(() => {
  kms.actions.length = 0
  kms.failures.length = 0
})

const context = { environment: 'test', fetch }
const optionsOf = (more: Partial<AwsKmsOptions> = {}): AwsKmsOptions => ({
  wrappedKeys: 'none:AAAA',
  region: account.region,
  keyId: 'key-1',
  endpoint: kms.origin,
  credentials: async () => ({ ...account, sessionToken: 'session-token' }),
  ...more,
})
const wrapped = (kid: string, key?: Uint8Array) => awsKms(optionsOf()).wrap(kid, context, key)
const refusedWith = (providerCode: string) => (error: unknown) => {
  assert.ok(isAuthFlowError(error), inspect(error))
  assert.equal(error.code, 'key_service_refused')
  assert.equal(error.details.providerCode, providerCode)
  assert.ok(!inspect(error).includes(account.secretAccessKey))
  return true
}

describe('awsKms', () => {
  it('unwraps the keys of the ring in their order', async () => {
    const own = randomBytes(32)
    const wrappedKeys = `${await wrapped('k2')}, ${await wrapped('k1', own)}`
    assert.deepEqual(kms.actions, ['GenerateDataKeyWithoutPlaintext', 'Encrypt'])
    const [k2, k1] = await awsKms(optionsOf({ wrappedKeys })).load(context)
    assert.deepEqual([k2?.kid, k2?.key.length], ['k2', 32])
    assert.deepEqual([k1?.kid, Buffer.from(k1?.key ?? []).toString('hex')], ['k1', own.toString('hex')])
    const again = await awsKms(optionsOf({ wrappedKeys })).load(context)
    assert.deepEqual(again[0], k2)
  })

  it('binds a key to its id and its environment', async () => {
    const entry = await wrapped('k1')
    const moved = awsKms(optionsOf({ wrappedKeys: entry.replace('k1:', 'k2:') }))
    await assert.rejects(moved.load(context), refusedWith('InvalidCiphertextException'))
    const elsewhere = awsKms(optionsOf({ wrappedKeys: entry })).load({
      ...context,
      environment: 'production',
    })
    await assert.rejects(elsewhere, refusedWith('InvalidCiphertextException'))
  })

  it('says why AWS refuses, in AWS\u2019s word and nothing else of its answer', async () => {
    const wrappedKeys = await wrapped('k1')
    const wrong: [Partial<AwsKmsOptions>, string][] = [
      [{ credentials: () => ({ ...account, secretAccessKey: 'another' }) }, 'UnrecognizedClientException'],
      [
        { credentials: () => ({ ...account, secretAccessKey: 'x', sessionToken: 'session-token' }) },
        'SignatureDoesNotMatch',
      ],
      [{ credentials: () => ({ ...account, accessKeyId: 'AKIDOTHER' }) }, 'UnrecognizedClientException'],
      [{ region: 'eu-west-1' }, 'SignatureDoesNotMatch'],
      [{ keyId: 'key-2' }, 'IncorrectKeyException'],
      [{ keyId: 'key-3' }, 'NotFoundException'],
    ]
    for (const [more, code] of wrong) {
      kms.actions.length = 0
      await assert.rejects(awsKms(optionsOf({ wrappedKeys, ...more })).load(context), refusedWith(code))
      assert.equal(kms.actions.length, 1)
    }
  })

  it('tries again what passes, and gives up after three times', async () => {
    const wrappedKeys = await wrapped('k1')
    kms.actions.length = 0
    kms.failures.push(
      { status: 400, body: '{"__type":"ThrottlingException"}' },
      { status: 500, body: 'oops' },
    )
    const [k1] = await awsKms(optionsOf({ wrappedKeys })).load(context)
    assert.equal(k1?.kid, 'k1')
    assert.equal(kms.actions.length, 3)
    for (let index = 0; index < 3; index += 1) kms.failures.push({ status: 503, body: '' })
    await assert.rejects(awsKms(optionsOf({ wrappedKeys })).load(context), {
      code: 'key_service_unavailable',
    })
    const closed = await startKms([])
    await closed.close()
    const gone = awsKms(optionsOf({ wrappedKeys, endpoint: closed.origin })).load(context)
    await assert.rejects(gone, { code: 'key_service_unavailable', retryable: true })
  })

  it('refuses answers that hold no key', async () => {
    const wrappedKeys = await wrapped('k1')
    for (const body of ['', '[]', 'null', '{"Plaintext":""}', '{"Plaintext":5}', '<html>']) {
      for (let index = 0; index < 3; index += 1) kms.failures.push({ status: 200, body })
      await assert.rejects(
        awsKms(optionsOf({ wrappedKeys })).load(context),
        { code: 'key_service_unavailable' },
        body,
      )
    }
  })

  it('names what is missing before anything is sent', async () => {
    assert.throws(() => awsKms(optionsOf({ region: undefined })), { code: 'missing_option' })
    assert.throws(() => awsKms(optionsOf({ keyId: '' })), { code: 'missing_option' })
    for (const [wrappedKeys, code] of [
      [undefined, 'missing_encryption_key'],
      ['', 'missing_encryption_key'],
      ['k1', 'invalid_encryption_key'],
      ['k1:!!', 'invalid_encryption_key'],
    ] as const) {
      await assert.rejects(awsKms(optionsOf({ wrappedKeys })).load(context), { code })
    }
    const nobody = optionsOf({
      wrappedKeys: await wrapped('k1'),
      credentials: () => Promise.reject(new Error('no role')),
    })
    kms.actions.length = 0
    await assert.rejects(awsKms(nobody).load(context), { code: 'key_service_refused' })
    assert.deepEqual(kms.actions, [])
  })

  it('goes through the guarded fetch: not to private addresses', async () => {
    const guarded = createGuardedFetch()
    const provider = awsKms(optionsOf({ wrappedKeys: await wrapped('k1') }))
    await assert.rejects(provider.load({ environment: 'test', fetch: guarded }), {
      code: 'key_service_refused',
      message: /VPC endpoint/,
    })
    await guarded.close()
    const own = awsKms(optionsOf({ wrappedKeys: await wrapped('k1'), fetch }))
    assert.equal((await own.load({ environment: 'test', fetch: guarded })).length, 1)
  })
})

describe('new AuthFlow with a key provider', () => {
  const clientWith = (provider: AwsKmsOptions) =>
    new AuthFlow({
      environment: 'test',
      baseUrl: 'http://localhost:1/auth',
      store: `sqlite:${join(directory, 'test.db')}`,
      encryptionKeys: awsKms(provider),
      integrations: [],
      worker: false,
      log: 'silent',
    })

  it('asks it at start, starts on what it gives, and may be started again when it was away', async () => {
    const wrappedKeys = await wrapped('k1')
    kms.actions.length = 0
    const client = clientWith(optionsOf({ wrappedKeys }))
    assert.deepEqual(kms.actions, [])
    for (let index = 0; index < 3; index += 1) kms.failures.push({ status: 500, body: '' })
    await assert.rejects(client.start(), { code: 'key_service_unavailable' })
    await client.start()
    assert.deepEqual(
      (await client.keys.list()).map(({ kid }) => kid),
      ['k1'],
    )
    await client.close()
    const before = kms.actions.length
    const other = clientWith(optionsOf({ wrappedKeys: await wrapped('k1') }))
    await assert.rejects(other.start(), { code: 'wrong_encryption_key' })
    await other.close()
    assert.equal(kms.actions.length, before + 2)
    assert.ok(!kms.seen.join().includes(account.secretAccessKey))
  })
})

// Root keys wrapped by AWS KMS: what is configured is useless without the right to call KMS, and KMS's log shows every
// start. The keys are unwrapped once at start; AWS is not asked for each credential.
// API: docs.aws.amazon.com/kms/latest/APIReference (Decrypt, Encrypt, GenerateDataKeyWithoutPlaintext), read 2026-11-21.

import { setTimeout as delay } from 'node:timers/promises'
import type { AwsV4Signer } from 'aws4fetch'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import type { KeyProvider, KeyProviderContext } from './key-provider.ts'
import { parseKeyEntries, type RootKey } from './key-ring.ts'

/** What requests to AWS are signed with. */
export interface AwsCredentials {
  /** Names who signs. */
  readonly accessKeyId: string
  /** Never leaves the process. */
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined
}

/** How {@link awsKms} reaches the keys. */
export interface AwsKmsOptions {
  /** `kid:base64` of wrapped keys, several separated by commas; the first one writes. `authflow keys wrap` makes them. */
  readonly wrappedKeys: string | undefined
  /** `eu-central-1`, … */
  readonly region: string | undefined
  /** Id, ARN or alias of the KMS key. A key that was wrapped by another one is refused. */
  readonly keyId: string | undefined
  /** Called for every request, so that temporary credentials stay fresh. For example `fromNodeProviderChain()` of the AWS SDK. */
  credentials(): AwsCredentials | Promise<AwsCredentials>
  /** (default `https://kms.<region>.amazonaws.com`) */
  readonly endpoint?: string
  /**
   * Sends the requests (default: the server's guarded fetch, which goes to public addresses only). Give your own where
   * KMS is reached through a VPC endpoint.
   */
  readonly fetch?: GuardedFetch
}

/** Root keys that AWS KMS unwraps. */
export interface AwsKmsProvider extends KeyProvider {
  /**
   * A wrapped key as an entry for `wrappedKeys`. Without `key`, KMS makes the key and nobody sees it; with it, a key that
   * the store is written with moves to KMS.
   *
   * @throws {@link AuthFlowError} `key_service_unavailable`, `key_service_refused`, `missing_peer`
   */
  wrap(kid: string, context: KeyProviderContext, key?: Uint8Array): Promise<string>
}

const tries = 3
const firstPauseMs = 200
const timeoutMs = 5_000
const maxBytes = 64 * 1024

/** What passes by itself; every other refusal needs somebody. */
const passing =
  /^(?:ThrottlingException|LimitExceededException|DependencyTimeoutException|KeyUnavailableException|KMSInternalException|RequestLimitExceeded|InternalFailure|ServiceUnavailable)$/
/** Names of AWS's errors are words; nothing else of the answer is shown. */
const errorName = /^[A-Za-z]{1,64}$/

/**
 * Root keys unwrapped by AWS KMS at start. Environment and id of a key are bound to it as its encryption context. Needs
 * the package `aws4fetch` and the permissions `kms:Decrypt`, for wrapping also `kms:Encrypt` and
 * `kms:GenerateDataKeyWithoutPlaintext`.
 *
 * @throws {@link AuthFlowError} `missing_option`, `missing_encryption_key`, `invalid_encryption_key`
 */
export function awsKms(options: AwsKmsOptions): AwsKmsProvider {
  for (const option of ['region', 'keyId'] as const) {
    if (!options[option]) {
      throw new AuthFlowError('missing_option', `awsKms: the option \`${option}\` is missing.`, {
        details: { option },
      })
    }
  }
  return {
    async load(context) {
      const keys: RootKey[] = []
      // One after the other: a ring has few, and a throttled start would make all of them fail together.
      for (const { kid, bytes } of parseKeyEntries(options.wrappedKeys, 'wrappedKeys')) {
        const input = { CiphertextBlob: base64(bytes), EncryptionContext: contextOf(context, kid) }
        keys.push({
          kid,
          key: readBytes(await call(options, context, { action: 'Decrypt', input }), 'Plaintext'),
        })
      }
      return keys
    },
    async wrap(kid, context, key) {
      const shared = { EncryptionContext: contextOf(context, kid) }
      const request = key
        ? { action: 'Encrypt', input: { ...shared, Plaintext: base64(key) } }
        : { action: 'GenerateDataKeyWithoutPlaintext', input: { ...shared, KeySpec: 'AES_256' } }
      return `${kid}:${base64(readBytes(await call(options, context, request), 'CiphertextBlob'))}`
    },
  }
}

interface KmsRequest {
  readonly action: string
  readonly input: Readonly<Record<string, unknown>>
}

const contextOf = ({ environment }: KeyProviderContext, kid: string) => ({
  'authflow:environment': environment,
  'authflow:kid': kid,
})

async function call(
  options: AwsKmsOptions,
  context: KeyProviderContext,
  request: KmsRequest,
): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callOnce(options, context, request)
    } catch (error) {
      if (!isAuthFlowError(error) || !error.retryable || attempt >= tries) throw error
      await delay(firstPauseMs * 2 ** (attempt - 1) * (0.5 + Math.random()))
    }
  }
}

async function callOnce(
  options: AwsKmsOptions,
  context: KeyProviderContext,
  { action, input }: KmsRequest,
): Promise<unknown> {
  const {
    region = '',
    keyId,
    endpoint = `https://kms.${region}.amazonaws.com`,
    fetch = context.fetch,
  } = options
  const { AwsV4Signer: Signer } = await loadSigner()
  const body = JSON.stringify({ ...input, KeyId: keyId })
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${action}` }
  const { accessKeyId, secretAccessKey, sessionToken } = await readCredentials(options)
  const signer = new Signer({
    method: 'POST',
    url: new URL('/', endpoint).href,
    headers,
    body,
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service: 'kms',
    region,
  })
  const signed = await signer.sign()
  const response = await send(() =>
    fetch(signed.url, { method: 'POST', headers: signed.headers, body, timeoutMs, maxBytes }),
  )
  if (response.ok) return readJson(response)
  throw await refusal(response, action)
}

async function readCredentials({ credentials }: AwsKmsOptions): Promise<AwsCredentials> {
  try {
    const found = await credentials()
    if (found.accessKeyId && found.secretAccessKey) return found
  } catch (cause) {
    throw new AuthFlowError('key_service_refused', 'The credentials for AWS could not be had.', { cause })
  }
  throw new AuthFlowError('key_service_refused', 'There are no credentials for AWS.')
}

async function send(request: () => Promise<Response>): Promise<Response> {
  try {
    return await request()
  } catch (cause) {
    const blocked = isAuthFlowError(cause) && cause.code === 'blocked_host'
    throw blocked
      ? new AuthFlowError(
          'key_service_refused',
          `${cause.message} For a VPC endpoint give awsKms a \`fetch\`.`,
          { cause },
        )
      : new AuthFlowError('key_service_unavailable', undefined, { cause })
  }
}

async function refusal(response: Response, action: string): Promise<AuthFlowError> {
  const answer: unknown = await readJson(response).catch(() => undefined)
  const type = memberOf(answer, '__type')
  const name = typeof type === 'string' ? (type.split('#').at(-1) ?? '') : ''
  const providerCode = errorName.test(name) ? name : 'unknown'
  const code =
    response.status >= 500 || response.status === 429 || passing.test(name)
      ? 'key_service_unavailable'
      : 'key_service_refused'
  return new AuthFlowError(code, `AWS KMS answered ${action} with ${providerCode}.`, {
    details: { status: response.status, providerCode },
  })
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return JSON.parse(await response.text())
  } catch {
    throw new AuthFlowError('key_service_unavailable', 'The answer of AWS KMS is not JSON.')
  }
}

function readBytes(answer: unknown, member: string): Uint8Array {
  const text = memberOf(answer, member)
  if (typeof text === 'string' && text !== '') return Buffer.from(text, 'base64')
  throw new AuthFlowError('key_service_unavailable', `The answer of AWS KMS has no ${member}.`)
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

async function loadSigner(): Promise<{ readonly AwsV4Signer: typeof AwsV4Signer }> {
  try {
    return await import('aws4fetch')
  } catch (cause) {
    throw new AuthFlowError(
      'missing_peer',
      'awsKms needs a package that is not installed: npm install aws4fetch',
      {
        cause,
      },
    )
  }
}

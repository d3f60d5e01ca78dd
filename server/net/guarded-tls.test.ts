import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { isAuthFlowError } from '../../shared/errors.ts'
import { createGuardedFetch } from './guarded-fetch.ts'

const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...parts: Uint8Array[]): Buffer => der(0x30, ...parts)
const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** A certificate for one host name, signed with its own key (RFC 5280 §4.1). */
function selfSigned(name: string, publicKey: KeyObject, privateKey: KeyObject): string {
  const ecdsaWithSha256 = sequence(hex('06082a8648ce3d040302'))
  const subject = sequence(der(0x31, sequence(hex('0603550403'), der(0x0c, Buffer.from(name)))))
  const validity = sequence(der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const altNames = sequence(hex('0603551d11'), der(0x04, sequence(der(0x82, Buffer.from(name)))))
  const body = sequence(
    hex('a003020102'),
    hex('020101'),
    ecdsaWithSha256,
    subject,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(altNames)),
  )
  const signature = sign('sha256', body, privateKey)
  const bytes = sequence(body, ecdsaWithSha256, der(0x03, hex('00'), signature))
  return `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}

describe('createGuardedFetch over TLS', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = selfSigned('localhost', publicKey, privateKey)
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const server = createServer({ key, cert }, (_request, response) => response.end('over tls'))
  let folder: string
  let port: number

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'authflow-tls-'))
    await writeFile(join(folder, 'ca.pem'), cert)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  after(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })

  it('refuses a certificate that nobody vouches for', async () => {
    const fetch = createGuardedFetch({ allowLoopback: true })
    const error: unknown = await fetch(`https://localhost:${port}/`).catch((reason: unknown) => reason)
    await fetch.close()
    assert.ok(isAuthFlowError(error))
    assert.equal(error.code, 'provider_unavailable')
    assert.match(error.message, /SELF_SIGNED/)
  })

  it('reaches a server with a trusted certificate by its name, and by no other', async () => {
    const script = `
      import { createGuardedFetch } from ${JSON.stringify(new URL('./guarded-fetch.ts', import.meta.url).href)}
      const fetch = createGuardedFetch({ allowLoopback: true, resolve: async () => [{ address: '127.0.0.1', family: 4 }] })
      console.log(await (await fetch('https://localhost:${port}/')).text())
      console.log(await fetch('https://other.localhost:${port}/').catch((error) => error.message))
      await fetch.close()`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') } },
    )
    const [body, refusal] = stdout.trim().split('\n')
    assert.equal(body, 'over tls')
    assert.match(refusal ?? '', /ERR_TLS_CERT_ALTNAME_INVALID/)
  })
})

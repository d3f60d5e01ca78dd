import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { isAuthFlowError } from '../../shared/errors.ts'
import { selfSigned } from './fixtures/self-signed.ts'
import { createGuardedFetch } from './guarded-fetch.ts'

describe('createGuardedFetch over TLS', () => {
  const { cert, key } = selfSigned('localhost')
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

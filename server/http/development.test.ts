// Development mode lets whoever can reach it connect any account, so that every one of its conditions must hold: tried
// with names pointed here, tunnels, other machines' addresses, pages of other sites, and production.

import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { describe, it } from 'node:test'
import { withEnvironment } from '../fixtures/with-environment.ts'
import { rawRequest } from './fixtures/raw-request.ts'
import { connectSlack, pageOrigin, startTestServer, type TestServer } from './fixtures/test-server.ts'

const input = JSON.stringify({
  accountId: 'ada',
  integrations: ['slack-customers'],
  origins: ['http://localhost:5173'],
})

/** Asks for a token of Ada. */
const mint = (server: { readonly url: string }, headers: Record<string, string> = {}, address?: string) =>
  rawRequest(`${server.url}/connect/trpc/connectTokens.create`, {
    method: 'POST',
    body: input,
    headers: { 'content-type': 'application/json', ...headers },
    ...(address === undefined ? {} : { address }),
  })

async function inDevelopment(run: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await startTestServer({ options: { development: true } })
  try {
    await run(server)
  } finally {
    await server.close()
  }
}

const assertRefused = ({ status, body }: { status: number; body: string }, about: string): void => {
  assert.equal(status, 403, about)
  assert.match(body, /"code":"development_only"/, about)
  assert.doesNotMatch(body, /ctk_ct_/)
}

describe('isDeveloper', () => {
  it('takes this machine by each of its own names', () =>
    inDevelopment(async (server) => {
      const { port } = new URL(server.url)
      for (const host of ['localhost', '127.0.0.1', '127.8.9.1', '[::1]', 'app.localhost']) {
        const answer = await mint(server, { host: `${host}:${port}` })
        assert.equal(answer.status, 200, host)
      }
    }))

  it('refuses a name that was pointed here (DNS rebinding)', () =>
    inDevelopment(async (server) => {
      for (const host of [
        'evil.example',
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        'localhost@evil.example',
        'evil.example#localhost',
        'notlocalhost',
        'localhost.localdomain',
        '0.0.0.0',
        '10.0.0.1',
        '[::]',
        '[fe80::1]',
        '[::ffff:10.0.0.1]',
        'local host',
      ]) {
        assertRefused(await mint(server, { host }), host)
      }
    }))

  it('refuses whatever a proxy, tunnel or CDN marks', () =>
    inDevelopment(async (server) => {
      for (const headers of [
        { 'x-forwarded-for': '127.0.0.1' },
        { 'x-forwarded-host': 'localhost' },
        { 'x-forwarded-proto': 'https' },
        { 'x-forwarded-anything': '' },
        { forwarded: 'for=127.0.0.1;host=localhost' },
        { via: '1.1 vegur' },
        { 'x-real-ip': '127.0.0.1' },
        { 'x-original-host': 'abc.ngrok.app' },
        { 'ngrok-skip-browser-warning': '1' },
        { 'cf-connecting-ip': '127.0.0.1' },
        { 'cf-ray': 'x' },
        { 'true-client-ip': '127.0.0.1' },
      ]) {
        assertRefused(await mint(server, headers), JSON.stringify(headers))
      }
    }))

  it('refuses pages of other sites', () =>
    inDevelopment(async (server) => {
      for (const origin of [
        pageOrigin,
        'null',
        'https://localhost.evil.example',
        'http://localhost/',
        'file://',
      ]) {
        assertRefused(await mint(server, { origin }), origin)
      }
      const { status } = await mint(server, { origin: 'http://localhost:5173' })
      assert.equal(status, 200)
    }))

  const elsewhere = Object.values(networkInterfaces())
    .flat()
    .find((one) => one && !one.internal && one.family === 'IPv4')?.address
  const skip = elsewhere === undefined && 'this machine has no address but loopback'

  it('refuses callers who do not come over loopback, whatever host they name', { skip }, () =>
    inDevelopment(async (server) => {
      const { port } = await server.client.listen(0)
      const at = (host: string) => ({ url: server.url.replace(/localhost:\d+/, `${host}:${port}`) })
      assert.equal((await mint(at('localhost'))).status, 200)
      assertRefused(await mint(at('localhost'), {}, elsewhere), 'another address')
      assertRefused(await mint(at('localhost'), { host: 'localhost' }, elsewhere), 'another address')
    }),
  )

  it('refuses everybody in production, and where it was not asked for', async () => {
    await inDevelopment(async (server) => {
      assertRefused(await withEnvironment({ NODE_ENV: 'production' }, () => mint(server)), 'production')
    })
    const server = await startTestServer()
    try {
      assertRefused(await mint(server), 'not asked for')
    } finally {
      await server.close()
    }
  })

  it('gives tokens and nothing else: the server API and other origins stay closed', () =>
    inDevelopment(async (server) => {
      await connectSlack(server)
      const answer = await rawRequest(`${server.url}/api/trpc/auth.get`, {
        method: 'POST',
        body: '{"id":"slack-customers","accountId":"ada"}',
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(answer.status, 401)
      const foreign = await rawRequest(`${server.url}/connect/trpc/connectTokens.create`, {
        method: 'POST',
        body: input.replace('http://localhost:5173', 'http://evil.example'),
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(foreign.status, 400)
    }))
})

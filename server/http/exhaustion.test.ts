// D5: requests that are too much of something are refused early, and nobody else notices.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { everyNth } from '../../scripts/case-counts.ts'
import { printFigure } from '../../scripts/figure.ts'
import { apiRouter } from './api-router.ts'
import { bodyLimits, callBodyLimit, formBodyLimit, requestBodyLimit, webhookBodyLimit } from './body.ts'
import { connectRouter } from './connect-router.ts'
import { defineOpenJobs, openAddresses, type OpenAddresses } from './fixtures/open-addresses.ts'
import { rawRequest } from './fixtures/raw-request.ts'
import {
  pageOrigin,
  post,
  prefix,
  secretKeys,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts'

const megabyte = 1024 * 1024

describe('D5: too much of something', () => {
  let server: TestServer
  let token: string
  let open: OpenAddresses
  before(async () => {
    const connectPages = { origins: [pageOrigin], script: new URL(import.meta.url) }
    server = await startTestServer({ options: { worker: true, connectPages } })
    open = await openAddresses(server, { ...defineOpenJobs(server.client), count: 1 })
    token = await server.token('manage')
  })
  after(() => server.close())

  const mounts = () =>
    [
      [
        'connect',
        Object.keys(connectRouter._def.procedures),
        { authorization: `Bearer ${token}`, origin: pageOrigin },
      ],
      ['api', Object.keys(apiRouter._def.procedures), { authorization: `Bearer ${secretKeys.admin}` }],
    ] as const

  const isWell = async (): Promise<void> => {
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
  }

  it('a body that says that it is too long is refused before it is read', async () => {
    const { port } = new URL(server.url)
    const calls = [...bodyLimits].map(([path, limit]) => [`/api/trpc/${path}`, limit] as const)
    const paths: readonly (readonly [string, number, string?])[] = [
      ...calls,
      ['/api/trpc/auth.get', callBodyLimit],
      ['/connect/trpc/flows.begin', callBodyLimit],
      ['/connect/start', formBodyLimit, 'application/x-www-form-urlencoded'],
      ['/callback/slack-customers', formBodyLimit, 'application/x-www-form-urlencoded'],
      ['/webhooks/http/open', webhookBodyLimit],
      [new URL(open.waits[0] ?? '').pathname.slice(prefix.length), requestBodyLimit],
    ]
    for (const [path, limit, type = 'application/json'] of paths) {
      for (const length of [limit + 1, 1024 * megabyte]) {
        const socket = connect(Number(port), '127.0.0.1')
        await once(socket, 'connect')
        const key = path.startsWith('/api/') ? `Authorization: Bearer ${secretKeys.admin}\r\n` : ''
        socket.write(
          `POST ${prefix}${path} HTTP/1.1\r\nHost: localhost\r\n${key}Content-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`,
        )
        const answer = await firstLine(socket)
        assert.equal(answer, 'HTTP/1.1 413 Payload Too Large', `${path} ${length}`)
        socket.destroy()
      }
    }
    await isWell()
  })

  it('a body as long as it may be is read', async () => {
    const headers = { authorization: `Bearer ${secretKeys.admin}` }
    for (const [path, limit] of [...bodyLimits, ['auth.get', callBodyLimit] as const]) {
      const answer = await post(`${server.url}/api/trpc/${path}`, `{}${' '.repeat(limit - 2)}`, headers)
      assert.equal(answer.code, 'invalid_input', path)
    }
    const body = ' '.repeat(webhookBodyLimit)
    assert.equal((await rawRequest(open.endpoint, { method: 'POST', body })).status, 200)
    assert.equal((await post(open.waits[0] ?? '', `{}${' '.repeat(requestBodyLimit - 2)}`)).status, 200)
  })

  it('a body without a length is refused when it is over the bound, and no more of it is kept', async () => {
    const { port } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      'POST /auth/connect/trpc/flows.begin HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const chunk = Buffer.alloc(16 * 1024, ' ')
    let sent = 0
    const answer = firstLine(socket)
    let answered = false
    void answer.then(() => (answered = true))
    while (!answered && sent < 64 * megabyte) {
      socket.write(`${chunk.length.toString(16)}\r\n`)
      socket.write(chunk)
      if (!socket.write('\r\n')) await Promise.race([once(socket, 'drain'), answer])
      sent += chunk.length
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(await answer, 'HTTP/1.1 413 Payload Too Large')
    printFigure({
      requirement: 'D5',
      name: 'sent before a body of 64 KB was refused',
      value: sent / 1024,
      unit: 'KB',
    })
    // What lies in the buffers of two sockets may be more than the bound; the whole stream is not.
    assert(sent < 16 * megabyte)
    socket.destroy()
    await isWell()
  })

  it('JSON 200 deep, and as deep as it fits, is refused by every procedure', async () => {
    for (const [mount, paths, headers] of mounts()) {
      for (const path of everyNth(5, paths)) {
        for (const depth of [200, 30_000]) {
          const bodies = [
            `${'['.repeat(depth)}${']'.repeat(depth)}`,
            `{"event":{"name":"a","payload":${'['.repeat(depth)}${']'.repeat(depth)}}}`,
          ]
          if (depth === 200) bodies.push(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)
          for (const body of bodies) {
            const answer = await post(`${server.url}/${mount}/trpc/${path}`, body, headers)
            assert.deepEqual([answer.status, answer.code], [400, 'invalid_input'], `${mount} ${path}`)
          }
        }
      }
    }
    await isWell()
  })

  it('a batch of more than ten calls is refused on both routers', async () => {
    for (const [mount, [path = ''], headers] of mounts()) {
      for (const size of [11, 500]) {
        const paths = Array.from({ length: size }, () => path).join(',')
        const answer = await rawRequest(`${server.url}/${mount}/trpc/${paths}?batch=1`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: '{}',
        })
        assert([400, 413, 414].includes(answer.status), `${mount} ${size}: ${answer.status}`)
        assert(answer.body.length < 4096)
      }
    }
    await isWell()
  })

  it('a thousand headers are refused, and more than 16 KB of them', async () => {
    const many = (count: number, value: string): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`x${index}`, value]))
    assert.equal((await rawRequest(`${server.url}/healthz`, { headers: many(900, '1') })).status, 200)
    // Node drops those beyond the thousandth, the Host header among them, and refuses a request without one.
    assert.equal((await rawRequest(`${server.url}/healthz`, { headers: many(1000, '1') })).status, 400)
    const large = await rawRequest(`${server.url}/healthz`, { headers: many(1000, 'x'.repeat(64)) })
    assert.equal(large.status, 431)
    const cookies = Array.from({ length: 1000 }, (_, index) => `authflow-${index}=x`)
      .join('; ')
      .slice(0, 14_000)
    const callback = await rawRequest(`${server.url}/callback/slack-customers?state=x&code=y`, {
      headers: { cookie: cookies },
    })
    assert.equal(callback.status, 400)
    await isWell()
  })

  it('an address that is long, full of escapes or repeated parameters is answered', async () => {
    for (const path of [
      `/connect/trpc/${'a'.repeat(8_000)}`,
      `/connect/trpc/${'a.'.repeat(4_000)}`,
      `/api/trpc/${'%00'.repeat(2_000)}`,
      `/callback/${'x'.repeat(8_000)}`,
      `/callback/slack-customers?${'state=x&'.repeat(1_500)}`,
      `/connect/trpc/integrations.describe?input=${'%7B'.repeat(3_000)}`,
      `/connect/link/${'A'.repeat(8_000)}`,
    ]) {
      const { status } = await rawRequest(`${server.url}${path}`)
      assert(status >= 400 && status < 500, `${path.slice(0, 40)}: ${status}`)
    }
    await isWell()
  })
})

/** The first line of what a socket gets. */
function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n')
      if (end >= 0) resolve(text.slice(0, end))
    })
  })
}

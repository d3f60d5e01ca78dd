import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net'
import { after, afterEach, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isAuthFlowError, type ErrorCode } from '../../shared/errors.ts'
import { privateHosts } from './fixtures/private-hosts.ts'
import { createGuardedFetch, type GuardOptions, type OwnedGuardedFetch } from './guarded-fetch.ts'

const cleanups: (() => unknown)[] = []
const cleanUp = async (): Promise<void> => {
  for (const step of cleanups.splice(0).reverse()) await step()
}

function guard(options: GuardOptions): OwnedGuardedFetch {
  const fetch = createGuardedFetch(options)
  cleanups.push(fetch.close)
  return fetch
}

async function listen<T extends Server | TcpServer>(server: T, host?: string): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  cleanups.push(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const serve = async (listener: RequestListener): Promise<string> =>
  `http://127.0.0.1:${await listen(createServer(listener), '127.0.0.1')}/`

async function rejectsWith(promise: Promise<unknown>, code: ErrorCode): Promise<Error> {
  const error: unknown = await promise.then(
    () => assert.fail('it resolved'),
    (reason: unknown) => reason,
  )
  assert.ok(isAuthFlowError(error), String(error))
  assert.equal(error.code, code, error.message)
  return error
}

/** `P` is the port of a server that counts connections. */
const privateUrls = privateHosts.map((host) => `https://${host}:P/`)

const malformedUrls = [
  'http://example.com/',
  'http://8.8.8.8/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'data:text/plain,hi',
  'gopher://example.com/',
  'unix:/var/run/docker.sock',
  'blob:https://example.com/1',
  'javascript:alert(1)',
  'ws://example.com/',
  'https://user@example.com/',
  'https://user:pass@example.com/',
  'https://:pass@example.com/',
  'https://127.0.0.1@example.com/',
  'https://example.com:22/',
  'https://example.com:25/',
  'https://example.com:6000/',
  'https://example.com:6667/',
  '//example.com/',
  '/etc/passwd',
  '',
  'https://',
  'https://exa mple.com/',
  'https://[::1',
  'https://1.2.3.4.5.6/',
  'https://256.256.256.256/',
  `https://${'a.'.repeat(130)}com/`,
  `https://example.com/${'a'.repeat(9000)}`,
  'https://[fe80::1%25eth0]/',
]

/** What a name may lead to; each alone, and each behind a public one. */
const privateAnswers = `
  127.0.0.1 10.0.0.1 172.16.0.1 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 255.255.255.255 ::1 ::
  ::ffff:127.0.0.1 ::7f00:1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: 2001::1 fe80::1 fd00::1
`
  .trim()
  .split(/\s+/)
const answer = (...addresses: string[]) =>
  addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

describe('createGuardedFetch: where it goes', () => {
  afterEach(cleanUp)

  it(`opens no connection for ${privateUrls.length} spellings of private places`, async () => {
    let connections = 0
    const port = await listen(
      createTcpServer((socket) => void (connections++, socket.destroy())),
      '::',
    )
    const fetch = guard({})
    for (const url of privateUrls) {
      const error = await rejectsWith(fetch(url.replace(':P', `:${port}`)), 'blocked_host')
      assert.equal(error.cause, undefined)
    }
    assert.equal(connections, 0)
  })

  it('refuses other schemes, user names, odd ports and what is no URL', async () => {
    const fetch = guard({})
    for (const url of malformedUrls) await rejectsWith(fetch(url), 'blocked_host')
  })

  it('refuses a name that leads to a private address, alone or beside a public one', async () => {
    for (const address of privateAnswers) {
      await rejectsWith(guard({ resolve: async () => answer(address) })('https://evil.test/'), 'blocked_host')
      await rejectsWith(
        guard({ resolve: async () => answer('8.8.8.8', address) })('https://evil.test/'),
        'blocked_host',
      )
    }
  })

  it('keeps private addresses closed where loopback is open', async () => {
    const fetch = guard({ allowLoopback: true })
    for (const host of [
      '10.0.0.1',
      '192.168.1.1',
      '169.254.169.254',
      '[fd00::1]',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
      '[::]',
    ]) {
      await rejectsWith(fetch(`https://${host}/`), 'blocked_host')
      await rejectsWith(fetch(`http://${host}/`), 'blocked_host')
    }
    await rejectsWith(fetch('http://example.com/'), 'blocked_host')
    const rebound = guard({ allowLoopback: true, resolve: async () => answer('10.0.0.1') })
    await rejectsWith(rebound('http://localhost:8080/'), 'blocked_host')
    // Plain http goes to this machine or nowhere.
    const outward = guard({ allowLoopback: true, resolve: async () => answer('8.8.8.8') })
    await rejectsWith(outward('http://localhost:8080/'), 'blocked_host')
  })

  it('reaches loopback over http by address and by name where that is open', async () => {
    const url = await serve((_request, response) => response.end('here'))
    const fetch = guard({ allowLoopback: true })
    assert.equal(await (await fetch(url)).text(), 'here')
    assert.equal(await (await fetch(url.replace('127.0.0.1', 'localhost'))).text(), 'here')
  })

  it('judges the answer it connects to, again for each new connection', async () => {
    let requests = 0
    const url = await serve((_request, response) => {
      requests++
      response.setHeader('connection', 'close')
      response.end()
    })
    const answers = [answer('127.0.0.1'), answer('10.0.0.1'), answer('127.0.0.1', '169.254.169.254')]
    let lookups = 0
    const fetch = guard({ allowLoopback: true, resolve: async () => answers[lookups++] ?? [] })
    const name = url.replace('127.0.0.1', 'rebind.localhost')
    assert.equal((await fetch(name)).status, 200)
    assert.equal(lookups, 1)
    await rejectsWith(fetch(name), 'blocked_host')
    await rejectsWith(fetch(name), 'blocked_host')
    assert.equal(requests, 1)
  })

  it('says that an unknown name cannot be reached', async () => {
    const unknown = guard({ resolve: async () => [] })
    assert.match(
      (await rejectsWith(unknown('https://nobody.test/'), 'provider_unavailable')).message,
      /ENOTFOUND/,
    )
  })

  it('follows no redirect', async () => {
    const hits: string[] = []
    const url = await serve((request, response) => {
      hits.push(request.url ?? '')
      response.writeHead(Number(request.url?.slice(1)), { location: '/elsewhere' }).end('moved')
    })
    const fetch = guard({ allowLoopback: true })
    for (const status of [301, 302, 303, 307, 308]) {
      await rejectsWith(
        fetch(`${url}${status}`, { method: 'POST', body: 'secret' }),
        'provider_reply_invalid',
      )
    }
    assert.deepEqual(hits, ['/301', '/302', '/303', '/307', '/308'])
    assert.equal((await fetch(`${url}304`)).status, 304)
  })
})

describe('createGuardedFetch: bounds', () => {
  afterEach(cleanUp)

  it('ends a body that drips, a header that never comes and a connection that is never accepted', async () => {
    const drip = await serve((_request, response) => {
      response.write('x')
      const timer = setInterval(() => response.write('x'), 20)
      response.on('close', () => clearInterval(timer))
    })
    const silent = await serve(() => undefined)
    const fetch = guard({ allowLoopback: true, connectTimeoutMs: 200 })
    const started = performance.now()
    await Promise.all([
      rejectsWith(fetch(drip, { timeoutMs: 150 }), 'provider_unavailable'),
      rejectsWith(fetch(silent, { timeoutMs: 150 }), 'provider_unavailable'),
    ])
    assert.ok(performance.now() - started < 1000)
    // TLS with somebody who never answers: the connect timeout ends it, long before the total one.
    const mute = await listen(
      createTcpServer(() => undefined),
      '127.0.0.1',
    )
    const error = await rejectsWith(
      fetch(`https://127.0.0.1:${mute}/`, { timeoutMs: 9000 }),
      'provider_unavailable',
    )
    assert.match(error.message, /UND_ERR_CONNECT_TIMEOUT/)
    assert.ok(performance.now() - started < 4000)
  })

  it('refuses a 2 MB body, announced or not, and takes it when told so', async () => {
    const big = Buffer.alloc(2_000_000, 'x')
    const url = await serve((request, response) => {
      if (request.url === '/announced') response.setHeader('content-length', big.length)
      response.end(big)
    })
    const fetch = guard({ allowLoopback: true })
    for (const path of ['announced', 'chunked']) {
      const error = await rejectsWith(fetch(url + path), 'provider_reply_invalid')
      assert.match(error.message, /262144/)
      assert.equal(
        (await (await fetch(url + path, { maxBytes: 2_000_000 })).arrayBuffer()).byteLength,
        2_000_000,
      )
      await rejectsWith(fetch(url + path, { maxBytes: 1_999_999 }), 'provider_reply_invalid')
    }
  })

  it('stops unfolding a gzip bomb at the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    assert.ok(bomb.length < 262_144)
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
    })
    const before = process.memoryUsage().arrayBuffers
    await rejectsWith(guard({ allowLoopback: true })(url), 'provider_reply_invalid')
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024)
  })

  it('gives back what a compressed answer says, without the headers of its encoding', async () => {
    const url = await serve((request, response) => {
      response.setHeader('content-encoding', 'gzip')
      response.setHeader('content-type', 'application/json')
      response.end(request.url === '/broken' ? 'this is not gzip' : gzipSync('{"ok":true}'))
    })
    const fetch = guard({ allowLoopback: true })
    const response = await fetch(url)
    assert.ok(response instanceof Response)
    assert.deepEqual(await response.json(), { ok: true })
    assert.equal(response.headers.get('content-type'), 'application/json')
    assert.equal(response.headers.get('content-encoding'), null)
    assert.equal(response.headers.get('content-length'), null)
    assert.equal(response.url, url)
    await rejectsWith(fetch(`${url}broken`), 'provider_reply_invalid')
  })

  it('rejects with the reason of the caller’s own signal, before and during', async () => {
    let arrived = 0
    const url = await serve(() => void arrived++)
    const fetch = guard({ allowLoopback: true })
    const reason = new Error('the run was cancelled')
    await assert.rejects(fetch(url, { signal: AbortSignal.abort(reason) }), reason)
    assert.equal(arrived, 0)
    const stop = new AbortController()
    const pending = fetch(url, { signal: stop.signal })
    setTimeout(() => stop.abort(reason), 50)
    await assert.rejects(pending, reason)
  })

  it('refuses bounds out of range', async () => {
    const fetch = guard({})
    for (const init of [
      { timeoutMs: 0 },
      { timeoutMs: 60_001 },
      { timeoutMs: NaN },
      { maxBytes: -1 },
      { maxBytes: 2 ** 24 + 1 },
    ]) {
      await rejectsWith(fetch('https://example.com/', init), 'invalid_option')
    }
  })
})

describe('createGuardedFetch: requests', () => {
  after(cleanUp)

  it('sends method, headers and every kind of body with its own type and length', async () => {
    const seen: { method: string | undefined; headers: NodeJS.Dict<string | string[]>; body: string }[] = []
    const url = await serve((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      request.on('end', () => {
        seen.push({ method: request.method, headers: request.headers, body })
        response.end()
      })
    })
    const fetch = guard({ allowLoopback: true })
    const form = new FormData()
    form.set('file', new Blob(['content'], { type: 'text/plain' }), 'a.txt')
    const stream = new Blob(['streamed']).stream()
    const bodies = [new URLSearchParams({ a: '1 2' }), 'text', new Uint8Array([104, 105]), form, stream]
    for (const body of bodies)
      await fetch(url, { method: 'post', headers: { authorization: 'Bearer t' }, body })
    await fetch(url, {
      method: 'patch',
      headers: { 'content-type': 'application/json', 'user-agent': 'me' },
      body: '{}',
    })

    assert.deepEqual(
      seen.slice(0, 3).map(({ body }) => body),
      ['a=1+2', 'text', 'hi'],
    )
    assert.equal(seen[0]?.headers['content-type'], 'application/x-www-form-urlencoded;charset=UTF-8')
    assert.match(String(seen[3]?.headers['content-type']), /^multipart\/form-data; boundary=/)
    assert.match(seen[3]?.body ?? '', /filename="a.txt"[^]*content/)
    assert.equal(seen[4]?.body, 'streamed')
    for (const { method, headers } of seen.slice(0, 5)) {
      assert.equal(method, 'POST')
      assert.equal(headers['authorization'], 'Bearer t')
      assert.equal(headers['user-agent'], 'authflow')
      assert.ok(Number(headers['content-length']) > 0)
    }
    assert.equal(seen[5]?.method, 'PATCH')
    assert.equal(seen[5]?.headers['content-type'], 'application/json')
    assert.equal(seen[5]?.headers['user-agent'], 'me')
  })

  it('gives back every status, bodiless ones too', async () => {
    const url = await serve((request, response) => response.writeHead(Number(request.url?.slice(1))).end('x'))
    const fetch = guard({ allowLoopback: true })
    for (const status of [200, 201, 204, 205, 304, 400, 401, 404, 429, 500, 503]) {
      const response = await fetch(`${url}${status}`)
      assert.equal(response.status, status)
      assert.equal(await response.text(), [204, 205, 304].includes(status) ? '' : 'x')
    }
  })

  it('tells a lost connection and an unreadable answer apart', async () => {
    const cut = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('half')
      setTimeout(() => response.destroy(), 20)
    })
    const garbage = await listen(
      createTcpServer((socket) => void socket.end('220 mail ready\r\n')),
      '127.0.0.1',
    )
    const gone = await serve(() => undefined)
    const fetch = guard({ allowLoopback: true })
    await rejectsWith(fetch(cut), 'provider_unavailable')
    await rejectsWith(fetch(`http://127.0.0.1:${garbage}/`), 'provider_reply_invalid')
    await cleanUp()
    const again = guard({ allowLoopback: true })
    assert.match((await rejectsWith(again(gone), 'provider_unavailable')).message, /ECONNREFUSED/)
  })

  it('never shows a header, a query or a body in its errors', async () => {
    const fetch = guard({ allowLoopback: true })
    const secret = 'canary-4f1d'
    const failing = [
      fetch('https://example.com/', { headers: { authorization: `Bearer ${secret}\nx` } }),
      fetch(`https://10.0.0.1/?token=${secret}`),
      fetch(`http://127.0.0.1:1/?token=${secret}`),
      fetch(`https://${secret}@example.com/`),
      fetch(`nonsense ${secret}`),
      fetch(`http://127.0.0.1:9/${secret}`, { method: 'POST', body: secret, headers: { 'x-key': secret } }),
      fetch('https://example.com/', { method: `GET${secret}` }),
    ]
    for (const pending of failing) {
      const error: unknown = await pending.catch((reason: unknown) => reason)
      assert.ok(isAuthFlowError(error))
      for (let at: unknown = error; at instanceof Error; at = at.cause) {
        assert.doesNotMatch(`${at.message} ${at.stack} ${JSON.stringify(at)}`, /canary-4f1d/)
      }
    }
  })

  it('lets what runs end on close, then refuses', async () => {
    const url = await serve((_request, response) => void setTimeout(() => response.end('late'), 100))
    const fetch = createGuardedFetch({ allowLoopback: true })
    const running = fetch(url)
    await new Promise((resolve) => setTimeout(resolve, 30))
    const closed = Promise.all([fetch.close(), fetch.close()])
    assert.equal(await (await running).text(), 'late')
    await closed
    await rejectsWith(fetch(url), 'closed')
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import express from 'express'
import type { RequestListener } from 'node:http'
import Koa from 'koa'
import helmet from 'koa-helmet'
import {
  callApi,
  callPublic,
  connectSlack,
  dig,
  post,
  postStart,
  prefix,
  secretKeys,
  startTestServer,
  type TestClient,
} from './fixtures/test-server.ts'

/** Answers what authflow left alone. */
const hostText = 'the host’s own page'

const hosts: Readonly<Record<string, (client: TestClient) => RequestListener>> = {
  Koa: (client) => {
    const app = new Koa()
    app.use(client.koa())
    app.use((ctx) => {
      ctx.body = hostText
    })
    return app.callback()
  },
  'Express 5': (client) => {
    const app = express()
    app.use(client.callback())
    app.use((_req, res) => void res.send(hostText))
    return app
  },
  'Express 5 under its own mount path': (client) => {
    const app = express()
    app.use(prefix, client.callback())
    app.use((_req, res) => void res.send(hostText))
    return app
  },
  'a Koa app inside Express': (client) => {
    const inner = new Koa()
    inner.use(client.koa())
    const app = express()
    app.use((req, res, next) => (req.url.startsWith(`${prefix}/`) ? void inner.callback()(req, res) : next()))
    app.use((_req, res) => void res.send(hostText))
    return app
  },
  'node:http': (client) => {
    const handle = client.callback()
    return (req, res) => handle(req, res, () => res.end(hostText))
  },
}

for (const [name, mount] of Object.entries(hosts)) {
  describe(`mounted in ${name}`, () => {
    it('takes its own requests and leaves the rest to the host', async () => {
      const server = await startTestServer({ mount })
      try {
        const { token, flowId, answer } = await connectSlack(server)
        assert.match(await answer.text(), /Connected to Slack/)
        const watched = await callPublic(server, 'flows.watch', {
          token,
          input: { flows: [{ id: flowId, version: 0 }], waitMs: 0 },
        })
        assert.equal(dig(watched.body, 'result', 'data', '0', 'stage'), 'done')
        const auth = await callApi(server, 'auth.get', {
          input: { id: 'slack-customers', accountId: 'ada' },
          key: secretKeys.read,
        })
        assert.equal(auth.status, 200)
        assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
        assert.equal((await fetch(`${server.url}/readyz`)).status, 200)
        assert.equal((await fetch(`${server.url}/connect/start`)).status, 405)

        const { origin } = new URL(server.url)
        const own = ['/', prefix, '/healthz', '/connect/start', `${prefix}x/healthz`]
        if (name !== 'a Koa app inside Express') own.push(`${prefix}/`, `${prefix}/else`, `${prefix}/connect`)
        for (const path of own) assert.equal(await (await fetch(origin + path)).text(), hostText, path)
      } finally {
        await server.close()
      }
    })
  })
}

describe('a host that sets headers for all its pages', () => {
  it('does not weaken the pages, nor cut the popup off', async () => {
    const server = await startTestServer({
      mount: (client) => new Koa().use(helmet()).use(client.koa()).callback(),
    })
    try {
      for (const path of ['/connect/start', '/callback/slack-customers', '/healthz']) {
        const { headers } = await fetch(server.url + path)
        assert.equal(headers.get('cross-origin-opener-policy'), null)
        assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'/)
        assert.equal(headers.get('x-frame-options'), 'DENY')
      }
    } finally {
      await server.close()
    }
  })
})

describe('callback() without a host', () => {
  it('answers 404 to what is not its own', async () => {
    const server = await startTestServer()
    try {
      const response = await fetch(`${new URL(server.url).origin}/`)
      assert.equal(response.status, 404)
      assert.equal(dig(await response.json(), 'code'), 'not_found')
    } finally {
      await server.close()
    }
  })
})

describe('a body parser of the host before authflow', () => {
  const parsers: Readonly<Record<string, (client: TestClient) => RequestListener>> = {
    'express.json': (client) => express().use(express.json(), express.urlencoded(), client.callback()),
    'a Koa parser': (client) => {
      const app = new Koa()
      app.use(async (ctx, next) => {
        const chunks: Uint8Array[] = []
        for await (const chunk of ctx.req) chunks.push(chunk)
        await next()
      })
      app.use(client.koa())
      return app.callback()
    },
  }
  for (const [name, mount] of Object.entries(parsers)) {
    it(`is named in the answer: ${name}`, async () => {
      const server = await startTestServer({ mount })
      try {
        for (const query of ['', '?other']) {
          const call = await post(
            `${server.url}/connect/trpc/connections.disconnect${query}`,
            '{"integration":"x"}',
          )
          assert.deepEqual([call.status, call.code], [500, 'body_consumed'])
        }
        const start = await postStart(server, { token: 'x', flow: 'A'.repeat(22), mode: 'popup' })
        assert.equal(start.status, 500)
        assert.match(await start.text(), /<code>body_consumed<\/code>/)
      } finally {
        await server.close()
      }
    })
  }
})

describe('the first request', () => {
  it('starts a mounted server, once for any number of them', async () => {
    const server = await startTestServer()
    try {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () =>
          callApi(server, 'connections.list', { input: {}, key: secretKeys.admin }),
        ),
      )
      assert(answers.every(({ status }) => status === 200))
    } finally {
      await server.close()
    }
  })
})

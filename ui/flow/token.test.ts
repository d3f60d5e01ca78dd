import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { ConnectError } from './connect-error.ts'
import { createTokens, type ConnectTokenNeed, type ConnectTokenSource, type ConnectTokens } from './token.ts'

const tokenOf = (letter: string): string => `ctk_ct_${letter.repeat(43)}`
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString()
const tokensOf = (connectToken: ConnectTokenSource): ConnectTokens =>
  createTokens({ integration: 'slack', accountId: '1', connectToken })
const tokensFrom = (tokenUrl: string): ConnectTokens => createTokens({ integration: 'slack', tokenUrl })
const hasCode = (code: string) => (error: unknown) => error instanceof ConnectError && error.code === code

describe('createTokens', () => {
  it('asks the source with integration, account and purpose, and keeps the answer until 60 s before its end', async () => {
    const asked: ConnectTokenNeed[] = []
    const lifetimes = [61_000, 59_000, 61_000]
    const tokens = tokensOf((what) => {
      asked.push(what)
      return {
        token: tokenOf('abc'[asked.length - 1] ?? 'z'),
        expiresAt: inMs(lifetimes[asked.length - 1] ?? 0),
      }
    })
    assert.equal(await tokens.get('create'), tokenOf('a'))
    assert.equal(await tokens.get('create'), tokenOf('a'))
    assert.equal(await tokens.get('manage'), tokenOf('b'))
    assert.equal(await tokens.get('manage'), tokenOf('c'))
    assert.deepEqual(
      asked.map(({ purpose }) => purpose),
      ['create', 'manage', 'manage'],
    )
    assert.deepEqual(asked[0], {
      integration: 'slack',
      integrations: ['slack'],
      accountId: '1',
      purpose: 'create',
    })
  })

  it('keeps a bare token until it is dropped', async () => {
    let minted = 0
    const tokens = tokensOf(() => tokenOf(String(minted++)))
    assert.equal(await tokens.get('create'), await tokens.get('create'))
    tokens.drop('create')
    assert.equal(await tokens.get('create'), tokenOf('1'))
  })

  it('asks once for many at the same time, and again after a failure', async () => {
    let asked = 0
    const tokens = tokensOf(async () => {
      if (asked++ === 0) throw new Error('down')
      return tokenOf('a')
    })
    const first = await Promise.allSettled([tokens.get('create'), tokens.get('create')])
    assert(first.every((one) => one.status === 'rejected' && hasCode('token_request_failed')(one.reason)))
    assert.equal(asked, 1)
    assert.deepEqual(await Promise.all([tokens.get('create'), tokens.get('create')]), [
      tokenOf('a'),
      tokenOf('a'),
    ])
    assert.equal(asked, 2)
  })

  for (const [name, value] of Object.entries({
    nothing: '',
    'a secret key': `ctk_sk_${'a'.repeat(43)}`,
    'a token with more behind': `${tokenOf('a')} `,
  })) {
    it(`takes ${name} for no connect token`, async () => {
      await assert.rejects(tokensOf(value).get('create'), hasCode('connect_token_invalid'))
    })
  }
})

describe('createTokens with tokenUrl', () => {
  let url = ''
  let answer: (request: IncomingMessage, body: string, response: ServerResponse) => void
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => answer(request, body, response))
  })
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  })
  after(() => server.close())

  it('posts integration and purpose as JSON', async () => {
    const seen: unknown[] = []
    answer = (request, body, response) => {
      seen.push(request.method, request.headers['content-type'], JSON.parse(body))
      response.end(JSON.stringify({ token: tokenOf('a'), expiresAt: inMs(900_000) }))
    }
    assert.equal(await tokensFrom(url).get('reconnect'), tokenOf('a'))
    assert.deepEqual(seen, [
      'POST',
      'application/json',
      { integration: 'slack', integrations: ['slack'], purpose: 'reconnect' },
    ])
  })

  it('names all integrations of a list', async () => {
    const seen: unknown[] = []
    answer = (_, body, response) => {
      seen.push(JSON.parse(body))
      response.end(JSON.stringify({ token: tokenOf('a'), expiresAt: inMs(900_000) }))
    }
    await createTokens({ integrations: ['slack', 'github'], tokenUrl: url }).get('manage')
    assert.deepEqual(seen, [{ integrations: ['slack', 'github'], purpose: 'manage' }])
  })

  it('is connect_token_invalid for an answer without a token', async () => {
    for (const body of ['null', '{}', '[]', '{"token":7}', '"ctk_ct_"']) {
      answer = (_, __, response) => response.end(body)
      await assert.rejects(tokensFrom(url).get('create'), hasCode('connect_token_invalid'))
    }
  })

  it('is token_request_failed, to be tried again, for a refusal and for what is no JSON', async () => {
    answer = (_, __, response) => response.writeHead(403).end('{}')
    await assert.rejects(tokensFrom(url).get('create'), (error) => {
      assert(error instanceof ConnectError)
      assert.equal(error.code, 'token_request_failed')
      assert.deepEqual([error.retryable, error.details.status], [true, 403])
      return true
    })
    answer = (_, __, response) => response.end('<html>')
    await assert.rejects(tokensFrom(url).get('create'), hasCode('token_request_failed'))
  })
})

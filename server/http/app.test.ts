import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import { prefix, secretKeys, startTestServer, type TestServer } from './fixtures/test-server.ts'

describe('createApp', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.close())

  it('takes a caller who leaves in the middle of a body for no error of its own', async () => {
    const { port } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    socket.end(
      `POST ${prefix}/api/trpc/auth.get HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"id"`,
    )
    await until('a line about it', () => server.log.lines.some((line) => line.includes('A caller left.')))
    assert.deepEqual(
      server.log.lines.filter((line) => line.startsWith('error ')),
      [],
    )
  })

  it('says what to send to a caller who sends no JSON, and nothing of what was sent', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'x/<script>alert(1)</script>']) {
      const response = await fetch(`${server.url}/api/trpc/auth.get`, {
        method: 'POST',
        headers: { 'content-type': type, authorization: `Bearer ${secretKeys.admin}` },
        body: 'id=slack-customers',
      })
      assert.equal(response.status, 400)
      const text = await response.text()
      assert.match(text, /"code":"invalid_input","message":"Send the input as application\/json\."/)
      assert.equal(text.includes(type), false)
    }
  })
})

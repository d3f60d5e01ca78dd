import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { listen } from './listen.ts'

const host = '127.0.0.1'

describe('listen', () => {
  it('names the port that is taken', async () => {
    const first = await listen((_req, res) => res.end('ok'), { port: 0, host })
    await assert.rejects(
      listen(() => undefined, { port: first.port, host }),
      (error: unknown) => {
        assert(isAuthFlowError(error))
        assert.equal(error.code, 'port_in_use')
        assert.match(error.message, new RegExp(`Port ${first.port} is in use`))
        return true
      },
    )
    await first.end()
  })

  it('refuses ports and hosts that cannot be', async () => {
    for (const address of [{ port: 70_000 }, { port: -1 }, { port: 0, host: 'no.such.host.invalid' }]) {
      await assert.rejects(
        listen(() => undefined, address),
        (error: unknown) => {
          assert(isAuthFlowError(error))
          assert.equal(error.code, 'invalid_option')
          return true
        },
      )
    }
  })

  it('stops taking connections at once and lets those under way end', async () => {
    let arrive: (response: ServerResponse) => void = () => undefined
    const arrived = new Promise<ServerResponse>((resolve) => (arrive = resolve))
    const server = await listen((_req, res) => arrive(res), { port: 0, host })
    const under = fetch(`http://${host}:${server.port}/`, { headers: { connection: 'close' } })
    const response = await arrived
    server.stop()
    await assert.rejects(fetch(`http://${host}:${server.port}/`))
    response.end('done')
    assert.equal(await (await under).text(), 'done')
    await server.end()
  })

  it('serves connections that are reused just after it stopped, then ends them', async () => {
    const server = await listen((_req, res) => res.end('ok'), { port: 0, host })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ask = () =>
      new Promise<string>((resolve, reject) => {
        request({ agent, host, port: server.port }, (res) => res.setEncoding('utf8').on('data', resolve))
          .on('error', reject)
          .end()
      })
    assert.equal(await ask(), 'ok')
    server.stop()
    assert.equal(await ask(), 'ok')
    const ended = server.end()
    assert.equal(server.end(), ended)
    await ended
    await assert.rejects(ask())
    agent.destroy()
  })

  it('cuts off clients that never finish their headers or their body', { timeout: 30_000 }, async () => {
    const server = await listen((req, res) => req.resume().once('end', () => res.end()), { port: 0, host })
    const began = performance.now()
    const socket = connect(server.port, host)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n')
    socket.resume()
    await once(socket, 'close')
    assert(performance.now() - began < 8_000)
    await server.end()
  })
})

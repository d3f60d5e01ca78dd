// Loads an HTTP server with fixed requests over keep-alive connections, on bare sockets: the one who measures must
// cost less than what is measured.

import { connect, type Socket } from 'node:net'
import { z } from 'zod'

/** What to send, as subjects print it. */
export const loadRequest = z.object({
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  /** Each connection keeps to one of them; they are given out in turn. At least one. */
  bodies: z.array(z.string()).nonempty(),
})

/** What to send. */
export type LoadRequest = z.infer<typeof loadRequest>

/** How to send it. */
export interface LoadOptions {
  readonly connections: number
  readonly milliseconds: number
}

/**
 * Requests answered per second. Each connection sends the next request when the answer is complete.
 *
 * @throws {@link Error} for an answer other than 200
 */
export async function measureLoad(
  request: LoadRequest,
  { connections, milliseconds }: LoadOptions,
): Promise<number> {
  const url = new URL(request.url)
  const all = request.bodies.map((body) => wordRequest(url, request.headers, body))
  const started = performance.now()
  const end = started + milliseconds
  const counts = await Promise.all(
    Array.from({ length: connections }, (_, index) => {
      const bytes = all[index % all.length]
      if (!bytes) throw new Error('There is nothing to send')
      return loop(url, bytes, end)
    }),
  )
  const seconds = (performance.now() - started) / 1000
  return counts.reduce((total, count) => total + count, 0) / seconds
}

function wordRequest(url: URL, headers: LoadRequest['headers'], body: string): Buffer {
  const all = {
    host: url.host,
    ...headers,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** One connection: how many answers it got until the end. */
function loop(url: URL, bytes: Buffer, end: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(url.port), url.hostname)
    let count = 0
    let pending = Buffer.alloc(0)
    socket.setNoDelay(true)
    socket.on('connect', () => socket.write(bytes))
    socket.on('error', reject)
    socket.on('close', () => resolve(count))
    socket.on('data', (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      const length = answerLength(pending)
      if (length instanceof Error) socket.destroy(length)
      else if (length !== undefined && pending.length >= length) {
        pending = pending.subarray(length)
        count += 1
        if (performance.now() < end) socket.write(bytes)
        else socket.end()
      }
    })
  })
}

/** Bytes of the answer at the start of the buffer; undefined while its head is not complete. */
function answerLength(buffer: Buffer): number | undefined | Error {
  const head = buffer.indexOf('\r\n\r\n')
  if (head < 0) return undefined
  const text = buffer.toString('latin1', 0, head)
  if (!text.startsWith('HTTP/1.1 200 '))
    return new Error(`${text.split('\r\n', 1)[0]}: ${buffer.toString('utf8', head + 4)}`)
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
  if (length !== undefined) return head + 4 + Number(length)
  if (!/\r\ntransfer-encoding: *chunked/i.test(text))
    return new Error('The answer does not say how long it is')
  // The answers are JSON on one line, so that the last chunk's mark can't stand inside of them.
  const last = buffer.indexOf('\r\n0\r\n\r\n', head + 2)
  return last < 0 ? undefined : last + 7
}

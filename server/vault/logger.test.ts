import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TRPCClientError } from '@trpc/client'
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import { AuthFlowError } from '../../shared/errors.ts'
import { createLogger, type RedactingLogger } from './logger.ts'
import { Secret } from './secret.ts'

const canary = 'canary-9f3e7b1c2d'

/** A log and the lines it wrote. */
function capture(): { log: RedactingLogger; lines: string[]; last: () => Record<string, unknown> } {
  const lines: string[] = []
  const log = createLogger({ level: 'debug', destination: { write: (line) => void lines.push(line) } })
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> }
}

/** The fact under an innocent name at a depth. */
const nest = (value: unknown, depth: number): Record<string, unknown> =>
  depth === 1 ? { value } : { [`level${depth}`]: nest(value, depth - 1) }

describe('D6: createLogger', () => {
  it('writes one line of JSON with level, time, facts and message', () => {
    const { log, lines, last } = capture()
    log.info(
      { runId: 'run_1', attempts: 2, done: true, none: null, state: 'waiting_for_connection' },
      'A run: %s %d %o',
    )
    const { time, ...rest } = last()
    assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    assert.deepEqual(rest, {
      level: 'info',
      runId: 'run_1',
      attempts: 2,
      done: true,
      none: null,
      state: 'waiting_for_connection',
      msg: 'A run: %s %d %o',
    })
    assert.match(lines[0] ?? '', /\n$/)
  })

  it('writes what is as important as the level, and refuses unknown levels', () => {
    const lines: string[] = []
    const destination = { write: (line: string) => void lines.push(line) }
    const log = createLogger({ destination })
    log.debug({}, 'no')
    log.warn({}, 'yes')
    createLogger({ level: 'silent', destination }).error({}, 'no')
    assert.equal(lines.length, 1)
    assert.throws(() => createLogger({ level: 'loud' as never }), { code: 'invalid_option' })
  })

  const places: Record<string, (depth: number) => Record<string, unknown>> = {
    'a secret name': (depth) =>
      nest({ accessToken: canary, client_secret: canary, 'X-Api-Key': canary, Cookie: [canary] }, depth),
    'an object under a secret name': (depth) => nest({ credentials: { inner: { deep: canary } } }, depth),
    'a list': (depth) =>
      nest([{ password: canary }, ['authorization', canary], [['x-api-key', canary]]], depth),
    'a body': (depth) =>
      nest({ body: `hello ${canary}`, rawBody: Buffer.from(canary), payload: { text: canary } }, depth),
    'a URL': (depth) =>
      nest(
        `https://example.com/callback?code=${canary}&state=${canary}&next=%2Fx%3Ftoken%3D${canary}#access_token=${canary}`,
        depth,
      ),
    'a URL object': (depth) =>
      nest(
        [
          new URL(`https://user:${canary}@example.com/?sig=${canary}`),
          new URLSearchParams({ api_key: canary }),
        ],
        depth,
      ),
    'a header line': (depth) =>
      nest(
        { line: `authorization: Bearer ${canary}`, headers: new Headers({ authorization: canary }) },
        depth,
      ),
    'a Secret': (depth) => nest(new Secret(canary), depth),
    bytes: (depth) => nest([Buffer.from(canary), new TextEncoder().encode(canary).buffer], depth),
    'a map': (depth) => nest(new Map([['refresh_token', canary]]), depth),
    'a one-time value': (depth) => nest({ code: canary, state: canary }, depth),
    'the body of an error’s cause': (depth) =>
      nest(
        new Error('outer', {
          cause: Object.assign(new Error('inner'), {
            body: canary,
            response: { data: canary },
            config: canary,
          }),
        }),
        depth,
      ),
    'the message of an error’s cause': (depth) =>
      nest(
        new AggregateError([new Error(`refused: {"refresh_token": "${canary}"}`)], 'outer', {
          cause: new Error(`at https://x.test/?key=${canary}`),
        }),
        depth,
      ),
    'an error of zod': (depth) => {
      const shape = z.strictObject({ apiKey: z.string().max(3), kind: z.enum(['a', 'b']) })
      const input = { apiKey: canary, kind: canary, other: { password: canary } }
      return nest([shape.safeParse(input).error, shape.safeParse(input, { reportInput: true }).error], depth)
    },
    'an error of tRPC': (depth) => {
      const cause = Object.assign(new Error(`token=${canary}`), { input: canary, ctx: { key: canary } })
      const shape = { message: 'no', code: -32603, data: { authorization: canary } }
      const client = TRPCClientError.from({ error: shape }, { meta: { response: { body: canary } } })
      return nest([new TRPCError({ code: 'BAD_REQUEST', message: `key=${canary}&x`, cause }), client], depth)
    },
    'text in JSON': (depth) => nest(JSON.stringify(JSON.stringify({ access_token: canary, n: 1 })), depth),
  }
  for (const [place, make] of Object.entries(places)) {
    it(`never shows ${place}, at depth 1 to 8`, () => {
      const { log, lines } = capture()
      for (let depth = 1; depth <= 8; depth++) {
        log.error(make(depth), 'Something happened.')
        assert.match(lines.at(-1) ?? '', /Something happened/)
        assert.doesNotMatch(lines.at(-1) ?? '', new RegExp(canary), `depth ${depth}`)
        assert.doesNotMatch(
          lines.at(-1) ?? '',
          new RegExp(Buffer.from(canary).toString('base64').slice(0, 12)),
        )
      }
    })
  }

  it('never shows what looks like a token in the message', () => {
    const { log, lines } = capture()
    const tokens = [
      'ctk_ct_k3J9x0Qe_canary9f3e7b1c2dAAAAAAAAAAAAAAAAAAAAAAAAA',
      'ctk_sk_canary9f3e7b1c2d',
      'xoxb-1234-canary9f3e7b1c2d',
      'xoxe.xoxp-1-canary9f3e7b1c2d',
      'ghp_canary9f3e7b1c2dAAAAAAA',
      'github_pat_11AAAA_canary9f3e7b1c2d',
      'shpat_0123456789abcdef9f3e7b1c2dcafe00',
      `patAbCdEfGhIjKlMn.${'9f3e7b1c2d'.padEnd(64, '0')}`,
      'sk_live_canary9f3e7b1c2d',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnk5ZjNlN2IxYzJkIn0.9f3e7b1c2d',
      'Bearer canary9f3e7b1c2d',
      'Basic Y2FuYXJ5OWYzZTdiMWMyZA==',
      'mongodb://app:canary9f3e7b1c2d@db.internal/authflow',
      'client_secret=canary9f3e7b1c2d',
      `-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIcanary9f3e7b1c2d\n-----END EC PRIVATE KEY-----`,
    ]
    for (const token of tokens) {
      log.warn({ note: `got ${token}.` }, `Sent ${token}, was refused.`)
      assert.doesNotMatch(lines.at(-1) ?? '', /9f3e7b1c2d|Y2FuYXJ5/i, token)
      assert.match(lines.at(-1) ?? '', /was refused|Sent/)
    }
  })

  it('takes out registered values wherever they stand, encoded too', () => {
    const { log, lines } = capture()
    const secret = 'p&ss/wörd 42'
    log.registerSecret(secret)
    log.registerSecret('short')
    log.info(
      { note: `it is ${secret}!`, [`key ${secret}`]: 1, url: `https://x.test/${encodeURIComponent(secret)}` },
      secret,
    )
    assert.doesNotMatch(lines[0] ?? '', /ss\/w|%2Fw/)
    log.info({}, 'a short word')
    assert.match(lines[1] ?? '', /a short word/)
  })

  it('shows of an error its code, text, details and causes', () => {
    const { log, last } = capture()
    const cause = Object.assign(new TypeError('fetch failed'), {
      code: 'ECONNREFUSED',
      request: { body: canary },
    })
    log.error(
      {
        error: new AuthFlowError('provider_unavailable', 'slack.com cannot be reached.', {
          cause,
          details: { status: 503 },
        }),
      },
      'A call failed.',
    )
    const error = last()['error'] as Record<string, unknown>
    assert.equal(error['code'], 'provider_unavailable')
    assert.equal(error['message'], 'slack.com cannot be reached.')
    assert.deepEqual(error['details'], { status: 503 })
    assert.match(String(error['stack']), /logger\.test/)
    const inner = error['cause'] as Record<string, unknown>
    assert.deepEqual(
      [inner['name'], inner['code'], inner['message']],
      ['TypeError', 'ECONNREFUSED', 'fetch failed'],
    )
    assert.equal('request' in inner, false)
  })

  it('keeps what describes a secret without being one', () => {
    const { log, last } = capture()
    const facts = {
      tokenType: 'bot',
      tokenUrl: 'https://x.test/token',
      secretKeyId: 'web',
      tokenHash: 'abc',
      hasPassword: true,
      tokenCount: 3,
    }
    log.info(facts, 'Basic authentication is on, exit code=1.')
    const { level, time, msg, ...rest } = last()
    assert.deepEqual(rest, facts)
    assert.equal(msg, 'Basic authentication is on, exit code=1.')
    assert.ok(level && time)
  })

  it('writes a line whatever it is given', () => {
    const { log, lines } = capture()
    const circular: Record<string, unknown> = { name: 'loop' }
    circular['self'] = circular
    const hostile = {
      get broken(): string {
        throw new Error(canary)
      },
      toJSON: 7,
    }
    const deep = nest('x', 200)
    const wide = Array.from({ length: 100_000 }, (_, index) => ({ index }))
    const values = [
      circular,
      hostile,
      deep,
      { wide },
      { long: 'x'.repeat(10_000_000) },
      { big: 1n, fn: () => 1, symbol: Symbol('s') },
    ]
    values.push(
      {
        toJSON: () => {
          throw new Error(canary)
        },
      },
      JSON.parse('{"__proto__":{"x":1}}') as Record<string, unknown>,
    )
    for (const value of values) log.info(value, 'Odd.')
    for (const value of [null, undefined, 'text', 7, new Error('bare')]) log.info(value as never, 'Odd.')
    assert.equal(lines.length, values.length + 5)
    for (const line of lines) {
      assert.equal((JSON.parse(line) as { msg: string }).msg, 'Odd.')
      assert.ok(line.length < 40_000, `${line.length}`)
      assert.doesNotMatch(line, new RegExp(canary))
    }
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { follow, formatTraceparent, noTracing, parseTraceparent, type TracedEnd } from './tracing.ts'

const hex = (length: number) =>
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
    .filter((text) => /[^0]/.test(text))

describe('parseTraceparent', () => {
  it('gives back what formatTraceparent wrote', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
        assert.deepEqual(parseTraceparent(formatTraceparent({ traceId, spanId, sampled })), {
          traceId,
          spanId,
          sampled,
        })
      }),
    )
  })

  it('takes the sampled bit from among the others', () => {
    const at = (flags: string) => parseTraceparent(`00-${'1'.repeat(32)}-${'2'.repeat(16)}-${flags}`)?.sampled
    assert.deepEqual(['00', '01', '02', '03', 'ff'].map(at), [false, true, false, true, true])
  })

  it('knows nothing else, whoever wrote it', () => {
    const valid = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
    const wrong: unknown[] = [
      undefined,
      null,
      1,
      {},
      [valid],
      '',
      `${valid} `,
      `${valid}\n`,
      `01${valid.slice(2)}`,
    ]
    for (const text of wrong) assert.equal(parseTraceparent(text), undefined, String(text))
    fc.assert(
      fc.property(fc.nat({ max: 54 }), fc.string({ minLength: 1, maxLength: 1 }), (at, put) => {
        fc.pre(!/[0-9a-f]/.test(put) && valid[at] !== put)
        assert.equal(parseTraceparent(valid.slice(0, at) + put + valid.slice(at + 1)), undefined)
      }),
    )
  })
})

describe('follow', () => {
  const keep = () => {
    const ends: (TracedEnd | undefined)[] = []
    const traced = {
      traceparent: '',
      within: <T>(work: () => T) => work(),
      end: (how?: TracedEnd) => void ends.push(how),
    }
    return { ends, traced }
  }

  it('ends with what the work came to', async () => {
    const { ends, traced } = keep()
    assert.equal(
      await follow(
        traced,
        async () => 7,
        (status) => ({ status }),
      ),
      7,
    )
    assert.deepEqual(ends, [{ status: 7 }])
  })

  it('ends with the error and throws it', async () => {
    const { ends, traced } = keep()
    const error = new Error('no')
    await assert.rejects(
      follow(traced, () => Promise.reject(error)),
      (thrown) => thrown === error,
    )
    assert.deepEqual(ends, [{ error }])
  })

  it('does the work where nobody traces', async () => {
    assert.equal(await follow(noTracing.sending({ name: 'x' }), async () => 7), 7)
    assert.equal(
      noTracing.continuing('any', () => 7),
      7,
    )
  })
})

// C2: what is kept of a token, and how much work one that is wrong makes.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { oauthMethod } from '../oauth/fixtures/methods.ts'
import type { Store } from '../store/store.ts'
import { integrationOf, mint, openWorkbench, pageOrigin } from './fixtures/workbench.ts'

let reads = 0
/** Counts the documents that are asked for. */
const counting = (store: Store): Store =>
  new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name === 'get' || name === 'getMany' || name === 'list' || name === 'range') reads += 1
      return member.bind(target)
    },
  })

const bench = await openWorkbench(
  [integrationOf('slack-customers', [oauthMethod('https://provider.example')])],
  undefined,
  { aroundStore: counting },
)
const { connect } = bench
after(() => bench.close())

describe('C2: connect tokens at rest', () => {
  it('are nowhere in the database, in no encoding', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 50 }, () => mint(connect, { integrations: ['slack-customers'] })),
    )
    await connect.close()
    const bytes = await bench.rawBytes()
    for (const { token } of tokens) {
      const secret = token.slice('ctk_ct_'.length)
      for (const encoding of ['utf8', 'hex', 'base64', 'utf16le'] as const) {
        const needle =
          encoding === 'utf16le' ? Buffer.from(secret, encoding) : Buffer.from(secret).toString(encoding)
        assert.equal(bytes.includes(needle), false)
      }
    }
  })
})

describe('C2: the look-up of a connect token', () => {
  const readsOf = async (token: string): Promise<number> => {
    reads = 0
    await connect.listOwn({ token, origin: pageOrigin }).catch(() => undefined)
    return reads
  }

  it('is one read by digest, whatever is wrong with it and however close it is', async () => {
    const { token } = await mint(connect, { integrations: ['slack-customers'] })
    const last = token.at(-1) === 'A' ? 'B' : 'A'
    for (const wrong of [
      `${token.slice(0, -1)}${last}`,
      `ctk_ct_${randomText(43)}`,
      `ctk_ct_${'A'.repeat(43)}`,
    ]) {
      assert.equal(await readsOf(wrong), 1)
    }
    assert.equal(await readsOf(token), 1, 'a token for another purpose')
  })

  it('is no read at all for what can be none', async () => {
    const { token } = await mint(connect, { integrations: ['slack-customers'] })
    for (const wrong of [
      '',
      'x',
      token.slice(0, -1),
      `${token}A`,
      `ctk_sk_${randomText(43)}`,
      '$ne',
      'x'.repeat(10_000),
    ]) {
      assert.equal(await readsOf(wrong), 0)
    }
  })
})

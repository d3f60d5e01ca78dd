import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canShare } from './test-groups.ts'

describe('canShare', () => {
  const test = "describe('x', () => {})\n"

  it('is true for a file whose hooks lie inside of its suites', () => {
    assert.equal(canShare(test), true)
    assert.equal(canShare(`describe('x', () => {\n  beforeEach(() => {})\n})\n`), true)
    assert.equal(canShare(`after(() => {})\n${test}`), true)
  })

  it('is false where other files would feel it', () => {
    for (const line of [
      'beforeEach(() => {})',
      'before(async () => {})',
      'afterEach(close)',
      'mock.timers.enable()',
      "process.env['X'] = '1'",
      'process.env.X = undefined',
      'delete process.env.X',
      "process.on('exit', () => {})",
      'globalThis.fetch = stub',
    ])
      assert.equal(canShare(`${line}\n${test}`), false, line)
  })

  it('is false for a file that shows no test of its own', () => {
    assert.equal(canShare("describeStore('SQLite', open)\n"), false)
  })
})

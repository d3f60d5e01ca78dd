import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from './source-files.ts'
import { canShare, groupFiles, writeEntries } from './test-groups.ts'
import { filesOf } from './test.ts'

describe('canShare', () => {
  const test = "describe('x', () => {})\n"

  it('is true for a file with hooks, which are its own', () => {
    assert.equal(canShare(test), true)
    for (const hook of ['before', 'beforeEach', 'afterEach', 'after'])
      assert.equal(canShare(`${hook}(() => {})\n${test}`), true, hook)
    assert.equal(canShare(`${test}it('y', (t) => t.mock.timers.enable())\n`), true)
    assert.equal(canShare(`for (const backend of backends) {\n  ${test}}\n`), true)
  })

  it('is false where other files would feel it', () => {
    for (const line of [
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

describe('groupFiles', () => {
  it('leaves no file out, and gives those that can’t share a group of their own', () => {
    const files = filesOf('unit')
    const groups = groupFiles(files, 3)
    assert.deepEqual(groups.flat().toSorted(), files.toSorted())
    const sizes = groups.map((group) => group.length).filter((size) => size > 1)
    assert.equal(sizes.length, 3)
    assert.ok(Math.min(...sizes) > files.length / 6, sizes.join())
    // This file holds the words that it tests.
    assert.ok(groups.some((group) => group.join() === 'scripts/test-groups.test.ts'))
  })
})

describe('writeEntries', () => {
  it('runs each file of a group in a suite of its own, and a file alone as it is', (t) => {
    const folder = `test-results/entries-${process.pid}`
    t.after(() => rmSync(join(root, folder), { recursive: true }))
    const entries = writeEntries([['a.test.ts', 'b.test.ts'], ['c.test.ts']], folder)
    assert.deepEqual(entries, [`${folder}/group-1.test.ts`, 'c.test.ts'])
    const lines = readFileSync(join(root, entries[0] ?? ''), 'utf8').split('\n')
    assert.equal(lines.filter((line) => line.startsWith('await describe(')).length, 2)
  })
})

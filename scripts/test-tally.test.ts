import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from './source-files.ts'
import { TestTally, type JudgedTest } from './test-tally.ts'
import { filesOf, forbiddenSkips } from './test.ts'

const file = join(root, 'shared/ids.test.ts')
const position = { file, nesting: 0, testNumber: 1, line: 1, column: 1 }

/** A test that passed, with more facts. */
const passed = (
  name: string,
  facts: Partial<Extract<JudgedTest, { type: 'test:pass' }>['data']> = {},
): JudgedTest => ({
  type: 'test:pass',
  data: { ...position, name, details: { duration_ms: 1 }, ...facts },
})

/** A test that failed in the given way. */
const failed = (name: string, failureType: string): JudgedTest => {
  const error = Object.assign(new Error('outer'), { failureType, cause: new Error('the reason') })
  return { type: 'test:fail', data: { ...position, name, details: { duration_ms: 1, error } } }
}

describe('TestTally', () => {
  it('counts tests, and neither suites nor parents of failures', () => {
    const tally = new TestTally()
    tally.add(passed('one'))
    tally.add(passed('suite', { details: { duration_ms: 1, type: 'suite' } }))
    assert.match(
      tally.add(failed('two', 'testCodeFailure')),
      /FAIL shared\/ids\.test\.ts › two[\s\S]*the reason/,
    )
    assert.equal(tally.add(failed('suite', 'subtestsFailed')), '')
    assert.deepEqual(tally.totals(), { passed: 1, failed: 1, skipped: [] })
    assert.equal(tally.summary(), 'FAIL shared/ids.test.ts: 1 passed, 1 failed\n')
  })

  it('counts a file without tests as a failure', () => {
    const tally = new TestTally()
    assert.match(tally.add(passed(file)), /has no test/)
    assert.equal(tally.totals().failed, 1)
  })

  it('counts a file of which nothing was heard as a failure', () => {
    const tally = new TestTally()
    tally.add(passed('one'))
    assert.equal(tally.require(['shared/ids.test.ts']), '')
    assert.match(
      tally.require(['shared/ids.test.ts', 'shared/lost.test.ts']),
      /^\nFAIL shared\/lost\.test\.ts/,
    )
    assert.deepEqual(tally.totals(), { passed: 1, failed: 1, skipped: [] })
  })

  it('keeps the reason of every skip, of suites and todo tests too', () => {
    const tally = new TestTally()
    tally.add(passed('one', { skip: 'set TEST_REDIS_URL' }))
    tally.add(passed('suite', { skip: true, details: { duration_ms: 1, type: 'suite' } }))
    tally.add(passed('two', { todo: true }))
    const { passed: count, skipped } = tally.totals()
    assert.equal(count, 0)
    assert.deepEqual(
      skipped.map(({ name, reason }) => [name, reason]),
      [
        ['one', 'set TEST_REDIS_URL'],
        ['suite', ''],
        ['two', ''],
      ],
    )
    assert.match(tally.summary(), /skipped shared\/ids\.test\.ts › one: set TEST_REDIS_URL/)
  })
})

describe('forbiddenSkips', () => {
  const mongo = { file, name: 'a', reason: 'set TEST_MONGODB_URL' }
  const other = { file, name: 'b', reason: 'no reason' }

  it('leaves tests that wait for MongoDB to the suite that has it', () => {
    assert.deepEqual(forbiddenSkips('unit', [mongo, other]), [other])
    assert.deepEqual(forbiddenSkips('mongo', [mongo, other]), [mongo, other])
  })
})

describe('filesOf', () => {
  it('puts each file in its suite', () => {
    const unit = filesOf('unit')
    assert.ok(unit.includes('scripts/test-tally.test.ts'))
    assert.ok(unit.every((name) => !name.endsWith('.browser.test.ts') && !name.endsWith('.e2e.ts')))
    const commands = filesOf('commands')
    assert.ok(commands.includes('server/cli/cli.test.ts') && !commands.some((name) => unit.includes(name)))
    assert.ok(filesOf('mongo').every((name) => unit.includes(name) || commands.includes(name)))
    assert.ok(filesOf('e2e').every((name) => /^(demo\/e2e|server)\/.*\.e2e\.ts$/.test(name)))
    assert.ok(filesOf('faults').every((name) => name.endsWith('.faults.ts')))
    for (const suite of ['faults', 'conformance', 'frameworks', 'browsers'] as const)
      assert.ok(filesOf(suite).length > 0)
  })
})

// Adds up the events of a test run and words them: one line for each file, every failure in full, every skip with its
// reason.

import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'
import { root } from './source-files.ts'

/** A test that did not run. */
export interface SkippedTest {
  readonly file: string
  readonly name: string
  /** The reason given, or the empty string. */
  readonly reason: string
}

/** What a run of tests came to. */
export interface TestTotals {
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly SkippedTest[]
}

interface FileTally {
  passed: number
  failed: number
  skipped: number
}

/** An event that ends one test. */
export type JudgedTest = Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>

/** The count of one run. */
export class TestTally {
  readonly #files = new Map<string, FileTally>()
  readonly #skipped: SkippedTest[] = []

  /** Counts the event; the text to print, if any. */
  add(event: JudgedTest): string {
    const { data } = event
    const file = relative(root, data.file ?? '')
    const tally = this.#files.get(file) ?? { passed: 0, failed: 0, skipped: 0 }
    this.#files.set(file, tally)
    const isSuite = data.details.type === 'suite'
    if (event.type === 'test:fail') {
      const { error } = event.data.details
      if (isParentOfFailure(error)) return ''
      tally.failed += 1
      return `\nFAIL ${file} › ${data.name}\n${inspect(error.cause ?? error, { depth: 6 })}\n\n`
    }
    if (data.skip !== undefined || data.todo !== undefined) {
      tally.skipped += 1
      const reason = data.skip ?? data.todo
      this.#skipped.push({ file, name: data.name, reason: typeof reason === 'string' ? reason : '' })
      return ''
    }
    if (isSuite) return ''
    // Node reports a file without tests as one passing test that bears the file's path.
    if (data.name === data.file) {
      tally.failed += 1
      return `\nFAIL ${file} has no test\n\n`
    }
    tally.passed += 1
    return ''
  }

  /** Counts each of the files of which nothing was heard as a failure, as when its process ended early; the text to print. */
  require(files: readonly string[]): string {
    const unheard = files.filter((file) => !this.#files.has(file))
    for (const file of unheard) this.#files.set(file, { passed: 0, failed: 1, skipped: 0 })
    return unheard.map((file) => `\nFAIL ${file} has no test\n\n`).join('')
  }

  /** The totals so far. */
  totals(): TestTotals {
    const tallies = [...this.#files.values()]
    const sum = (key: 'passed' | 'failed'): number => tallies.reduce((total, tally) => total + tally[key], 0)
    return { passed: sum('passed'), failed: sum('failed'), skipped: this.#skipped }
  }

  /** One line for each file and each skipped test. */
  summary(): string {
    // A file that only holds suites of others' tests has none of its own to report.
    const own = [...this.#files].filter(([, { passed, failed, skipped }]) => passed + failed + skipped > 0)
    const lines = own.map(([file, { passed, failed, skipped }]) => {
      const parts = [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`]
      return `${failed ? 'FAIL' : 'ok  '} ${file}: ${parts.filter(Boolean).join(', ')}`
    })
    const skips = this.#skipped.map(
      ({ file, name, reason }) => `skipped ${file} › ${name}: ${reason || 'no reason given'}`,
    )
    return [...lines, ...skips, ''].join('\n')
  }
}

/** A suite or parent test fails with its children; only the children count. */
function isParentOfFailure(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed'
}

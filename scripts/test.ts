// Runs a suite of tests under `node --test`, which on Node 20 takes no patterns and runs nothing in silence.
//
//   tsx scripts/test.ts unit | commands | mongo | e2e | faults | conformance | frameworks | browsers [--no-skips] [file …]
//
// `unit` and `commands` need nothing but npm packages; `commands` starts a process for nearly every case: the command line,
// the examples of the README, writers that are killed or watched. What is large in both is short unless AUTHFLOW_LONG=1.
// `mongo` runs the files that read TEST_MONGODB_URL and wants it set. `e2e` drives the demo and servers in Chromium.
// `faults` kills, stops and starves processes: short, or long with AUTHFLOW_LONG=1. `conformance` needs the packages of
// its own manifest. `frameworks` installs, checks and drives the apps of demo/frameworks. `browsers` drives three engines,
// with the packages of its own manifest. With --no-skips a skipped test is a failure; in `unit` and `commands` those that
// wait for TEST_MONGODB_URL are left to `mongo`.

import { readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { listFiles, root } from './source-files.ts'
import { groupFiles, writeEntries } from './test-groups.ts'
import { TestTally, type SkippedTest, type TestTotals } from './test-tally.ts'

const mongoVariable = 'TEST_MONGODB_URL'
const suites = [
  'unit',
  'commands',
  'mongo',
  'e2e',
  'faults',
  'conformance',
  'frameworks',
  'browsers',
] as const
type Suite = (typeof suites)[number]

/** A file that takes longer has failed: what a failed test leaves open must not keep the run from ending. */
const fileTimeoutMs = 300_000
/** For the files of one process together. */
const groupTimeoutMs = 1_800_000
/** Faults wait for leases, restarts and rests; poison takes minutes on each store. */
const faultsTimeoutMs = 1_500_000
const longFileTimeoutMs = 3_600_000

/** Test files of a suite, as paths relative to the repository. */
export function filesOf(suite: Suite): string[] {
  if (suite === 'e2e') return listFiles(['demo/e2e', 'server'], ['.e2e.ts'])
  if (suite === 'faults') return listFiles(['server'], ['.faults.ts'])
  if (suite === 'frameworks') return listFiles(['demo/frameworks'], ['frameworks.e2e.ts'])
  if (suite === 'browsers') return listFiles(['browsers'], ['.test.ts'])
  if (suite === 'conformance') return listFiles(['conformance'], ['.test.ts'])
  const files = listFiles(['shared', 'server', 'ui', 'demo', 'scripts', 'bench'], ['.test.ts']).filter(
    (file) => !runsInBrowser(file),
  )
  if (suite === 'mongo')
    return files.filter((file) => file.startsWith('server/') && read(file).includes(mongoVariable))
  return files.filter((file) => startsCommands(file) === (suite === 'commands'))
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Component tests are run in Chromium by `npm run test:ui`. */
const runsInBrowser = (file: string): boolean => file.endsWith('.browser.test.ts')

/** Files with a process for nearly every case, besides those of the command line. */
const commandFiles = [
  'scripts/readme.test.ts',
  'server/backup.test.ts',
  'server/connect/recovery.test.ts',
  'server/jobs/watchdog.test.ts',
  'server/no-plaintext.test.ts',
  'server/open-queue.test.ts',
]

const startsCommands = (file: string): boolean =>
  file.startsWith('server/cli/') || commandFiles.includes(file)

/** Milliseconds that one file of the suite may take. */
function timeoutOf(suite: Suite): number {
  const isLong = suite !== 'e2e' && process.env['AUTHFLOW_LONG'] === '1'
  if (isLong || suite === 'frameworks' || suite === 'browsers') return longFileTimeoutMs
  if (suite === 'faults') return faultsTimeoutMs
  return suite === 'unit' ? groupTimeoutMs : fileTimeoutMs
}

/** As many processes at once. Each holds a few hundred MB, so many cores do not mean many more. */
function processesOf(suite: Suite): number {
  // What waits for a time to pass leaves its core to another.
  if (suite === 'unit') return Math.min(availableParallelism() * 2, 8)
  if (suite === 'commands') return availableParallelism() + 1
  // Databases and browsers are shared, so those suites go file by file.
  return 1
}

/** Skips that count as failures. */
export function forbiddenSkips(suite: Suite, skipped: readonly SkippedTest[]): readonly SkippedTest[] {
  const isLeft = ({ reason }: SkippedTest): boolean => reason.includes(mongoVariable)
  return suite === 'unit' || suite === 'commands' ? skipped.filter((test) => !isLeft(test)) : skipped
}

/** Runs the files, each group in a process of its own, prints what happens and gives the totals. */
async function runFiles(
  groups: readonly (readonly string[])[],
  limits: { concurrency: number; timeout: number },
): Promise<TestTotals> {
  const tally = new TestTally()
  const folder = `test-results/unit-${process.pid}`
  const files = writeEntries(groups, folder).map((file) => join(root, file))
  // The children get this process's own Node options, and with them the loader of TypeScript.
  const events: AsyncIterable<TestEvent> = run({ files, ...limits })
  for await (const event of events) {
    if (event.type === 'test:pass' || event.type === 'test:fail') process.stdout.write(tally.add(event))
    if (event.type === 'test:stdout' || event.type === 'test:stderr') process.stdout.write(event.data.message)
  }
  rmSync(join(root, folder), { recursive: true })
  for (const group of groups) if (group.length > 1) process.stdout.write(tally.require(group))
  process.stdout.write(tally.summary())
  return tally.totals()
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'no-skips': { type: 'boolean' } },
  })
  const suite = suites.find((name) => name === positionals[0])
  if (!suite) throw new Error(`Name a suite: ${suites.join(', ')}`)
  if (suite === 'mongo' && !process.env[mongoVariable]) {
    console.error(`Set ${mongoVariable} to the URL of a MongoDB server for these tests.`)
    return 1
  }
  const wanted = positionals.slice(1)
  const files = filesOf(suite).filter(
    (file) => wanted.length === 0 || wanted.some((part) => file.startsWith(part)),
  )
  const concurrency = processesOf(suite)
  const groups = suite === 'unit' ? groupFiles(files, concurrency) : files.map((file) => [file])
  const totals =
    files.length === 0
      ? { passed: 0, failed: 0, skipped: [] }
      : await runFiles(groups, {
          concurrency,
          timeout: timeoutOf(suite),
        })
  const forbidden = values['no-skips'] ? forbiddenSkips(suite, totals.skipped) : []
  for (const { file, name } of forbidden) console.error(`FAIL ${file} › ${name} may not be skipped here`)
  const failed = totals.failed + forbidden.length
  // With --no-skips, what is not forbidden runs in the suite that it was left to, and is counted there.
  const skipped = values['no-skips'] ? 0 : totals.skipped.length
  if (totals.passed + failed === 0) console.error('No test was run.')
  console.log(`${suite}: ${totals.passed} passed, ${failed} failed, ${skipped} skipped`)
  return failed > 0 || totals.passed === 0 ? 1 : 0
}

if (import.meta.filename === process.argv[1]) process.exitCode = await main()

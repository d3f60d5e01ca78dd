// Lets test files share processes. Loading the sources anew is most of what a small file costs, so those that touch
// nothing of their process are imported one after the other by an entry that stands for fifteen of them.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './source-files.ts'

const perProcess = 15
const folder = 'test-results/unit'

/** Hooks of a file would run for the tests of every other one; the rest changes what all of a process see. */
const needsOwnProcess =
  /^(before|beforeEach|afterEach)\(|\bmock\.|process\.(env\S* = |chdir|exitCode|on\()|delete process\.env|globalThis/m

/** True when the tests of a file can run beside those of others in one process. */
export const canShare = (source: string): boolean =>
  !needsOwnProcess.test(source) && /^(describe|it)\(/m.test(source)

/** Files to run in place of those given, as paths relative to the repository: entries first, as they take longest. */
export function groupFiles(files: readonly string[]): string[] {
  const isShared = (file: string): boolean => canShare(readFileSync(join(root, file), 'utf8'))
  const shared = files.filter(isShared)
  rmSync(join(root, folder), { recursive: true, force: true })
  mkdirSync(join(root, folder), { recursive: true })
  const entries: string[] = []
  for (let from = 0; from < shared.length; from += perProcess) {
    const entry = `${folder}/group-${entries.length + 1}.test.ts`
    const imports = shared.slice(from, from + perProcess).map((file) => `import '../../${file}'\n`)
    writeFileSync(join(root, entry), imports.join(''))
    entries.push(entry)
  }
  return [...entries, ...files.filter((file) => !isShared(file))]
}

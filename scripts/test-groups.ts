// Lets test files share processes. Loading the sources anew is most of what a file costs, so those that change nothing
// of their process are imported one after the other by an entry that stands for many of them.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './source-files.ts'

/** What the rest of a process would feel. Hooks are no such thing: each file is imported inside of a suite of its own. */
const needsOwnProcess =
  /(?<!t\.)\bmock\.|process\.(env\S* = |chdir|exitCode|on\()|delete process\.env|globalThis/

/** True when the tests of a file can run in one process with those of others. */
export const canShare = (source: string): boolean =>
  !needsOwnProcess.test(source) && /^\s*(describe|it)\(/m.test(source)

/**
 * The files in the order and the company in which to run them: what shares a process is in one list.
 *
 * @param processes that run at once, and so the number of lists to share; a file that can't is a list of its own
 */
export function groupFiles(files: readonly string[], processes: number): string[][] {
  const sources = files.map((file) => ({ file, source: readFileSync(join(root, file), 'utf8') }))
  const shared = sources.filter(({ source }) => canShare(source))
  const alone = sources.filter(({ source }) => !canShare(source))
  // Neighbours load much the same sources, so they stay together; the length of a test stands for the time it takes.
  const groups: string[][] = Array.from({ length: processes }, () => [])
  const total = shared.reduce((sum, { source }) => sum + source.length, 0)
  let before = 0
  for (const { file, source } of shared) {
    groups[Math.floor((before / total) * processes)]?.push(file)
    before += source.length
  }
  // Those take longest, so they begin first.
  return [...groups.filter((group) => group.length > 0), ...alone.map(({ file }) => [file])]
}

/** Files to run for the groups, as paths relative to the repository; those that stand for many are written to the folder. */
export function writeEntries(groups: readonly (readonly string[])[], folder: string): string[] {
  mkdirSync(join(root, folder), { recursive: true })
  return groups.map((group, index) => {
    const [file, ...others] = group
    if (file !== undefined && others.length === 0) return file
    const entry = `${folder}/group-${index + 1}.test.ts`
    writeFileSync(join(root, entry), entryOf(group))
    return entry
  })
}

const entryOf = (files: readonly string[]): string =>
  `import { describe } from 'node:test'\n\n${files
    .map((file) => `await describe('${file}', () => import('${pathToFileURL(join(root, file)).href}'))\n`)
    .join('')}`

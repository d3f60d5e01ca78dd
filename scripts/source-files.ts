// Lists the repository's own source files. Every check and the test runner start from here.

import { readdirSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'

/** Absolute path of the repository. */
export const root = resolve(import.meta.dirname, '..')

const skipped = new Set(['node_modules', 'dist', '.git', '.authflow', 'test-results', 'fixtures', 'coverage'])

/**
 * Files below the given folders whose name ends in one of the endings, as paths relative to `base` with forward
 * slashes, sorted. Folders that do not exist are left out.
 */
export function listFiles(folders: readonly string[], endings: readonly string[], base = root): string[] {
  const found: string[] = []
  const visit = (folder: string): void => {
    let entries
    try {
      entries = readdirSync(join(base, folder), { withFileTypes: true })
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
      throw error
    }
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (!skipped.has(entry.name)) visit(path)
      } else if (endings.some((ending) => entry.name.endsWith(ending))) {
        found.push(path.split(sep).join('/'))
      }
    }
  }
  for (const folder of folders) visit(folder)
  return found.sort()
}

/** True for tests, type tests, their fixtures and the suites that tests share. */
export const isTestFile = (path: string): boolean =>
  /\.(test|e2e|faults)\.ts$|\.test-d\.ts$|(^|\/)(contract[\w-]*\.ts$|fixtures\/)/.test(path)

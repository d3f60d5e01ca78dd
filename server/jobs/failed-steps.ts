// Which steps a resume takes up again: the failure that ended the run, the tasks around it, and what failed in the
// other branches of the same `io.parallel`, because all of them were one call that failed.

import type { JournalEntry } from './records.ts'

/** Paths of the steps to be taken up, by the last entry of each path and the path of the failure. */
export function stepsToResume(
  entries: ReadonlyMap<string, JournalEntry>,
  failedAt: string | undefined,
): ReadonlySet<string> {
  const found = new Set<string>()
  if (failedAt === undefined) return found
  const branches = failedBranches(entries)
  const left = [failedAt]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    for (const path of pathsTo(next)) {
      if (found.has(path)) continue
      found.add(path)
      const place = placeOf(path)
      left.push(...(branches.get(place) ?? []))
      branches.delete(place)
    }
  }
  return found
}

/** By the place of the branches: where those that failed did. */
function failedBranches(entries: ReadonlyMap<string, JournalEntry>): Map<string, string[]> {
  const branches = new Map<string, string[]>()
  for (const { path, state, cause = path } of entries.values()) {
    const place = placeOf(path)
    if (state !== 'failed' || !place.endsWith('#')) continue
    const known = branches.get(place)
    if (known === undefined) branches.set(place, [cause])
    else known.push(cause)
  }
  return branches
}

const placeOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** The path and those of the tasks around it. */
function* pathsTo(path: string): Iterable<string> {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) yield path.slice(0, at)
  yield path
}

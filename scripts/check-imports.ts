// Checks the imports rule on the whole repository: `tsx scripts/check-imports.ts`. The rule itself is in
// import-rules.ts.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findCycle, judgeImport } from './import-rules.ts'
import { readImports } from './module-imports.ts'
import { isTestFile, listFiles, root } from './source-files.ts'

/** Problems as `file:line what`; empty when all is well. */
export function checkImports(files: ReadonlyMap<string, string>): string[] {
  const problems: string[] = []
  const graph = new Map<string, string[]>()
  for (const [file, source] of files) {
    const edges: string[] = []
    for (const entry of readImports(file, source)) {
      const problem = judgeImport(file, entry)
      if (problem) problems.push(`${file}:${entry.line} ${entry.specifier}: ${problem}`)
      if (entry.path !== undefined && !entry.typeOnly) edges.push(entry.path)
    }
    if (!isTestFile(file)) graph.set(file, edges)
  }
  const cycle = findCycle(graph)
  if (cycle) problems.push(`${cycle[0]} import cycle: ${cycle.join(' → ')}`)
  return problems
}

/** The repository's sources by their path. */
export function readSources(): Map<string, string> {
  const files = listFiles(['shared', 'server', 'ui', 'demo', 'bench', 'scripts'], ['.ts', '.mts'])
  return new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
}

if (import.meta.filename === process.argv[1]) {
  const sources = readSources()
  const problems = checkImports(sources)
  for (const problem of problems) console.error(problem)
  console.log(`imports: ${sources.size} files, ${problems.length} problems`)
  process.exitCode = problems.length > 0 || sources.size === 0 ? 1 : 0
}

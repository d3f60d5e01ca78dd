// Checks that everything users can import has a doc comment: `tsx scripts/check-docs.ts`.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findUndocumented } from './doc-comments.ts'
import { publicEntries } from './public-entries.ts'
import { root } from './source-files.ts'

const entries = publicEntries()
const missing = entries.filter(({ source }) => !existsSync(join(root, source)))
for (const { specifier, source } of missing)
  console.error(`package.json: ${specifier} has no source ${source}`)

const present = entries.filter((entry) => !missing.includes(entry)).map(({ source }) => source)
const undocumented = findUndocumented(present, (file) => {
  const path = join(root, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
})
for (const { file, line, name } of undocumented) console.error(`${file}:${line} ${name} has no doc comment`)

const problems = missing.length + undocumented.length
console.log(`docs: ${present.length} entry points, ${problems} problems`)
process.exitCode = problems > 0 || present.length === 0 ? 1 : 0

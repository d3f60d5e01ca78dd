// The bench: `npm run bench [-- --json] [--quick] [part …]` with the parts http, runs, queues, jobs, vault, stored, latency, rotation,
// refresh, claims, tokens, size and start. Prints a table, or with --json one JSON object: name to { value, unit, baseline,
// ratio }. Progress goes to standard error.

import { parseArgs } from 'node:util'
import { full, quick, type Effort } from './measure.ts'
import { measureClaims } from './measure-claims.ts'
import { measureHttp } from './measure-http.ts'
import { measureJobs } from './measure-jobs.ts'
import { measureLatency } from './measure-latency.ts'
import { measureQueues } from './measure-queues.ts'
import { measureRefresh } from './measure-refresh.ts'
import { measureRotation } from './measure-rotation.ts'
import { measureRuns } from './measure-runs.ts'
import { measureSize } from './measure-size.ts'
import { measureStart } from './measure-start.ts'
import { measureStored } from './measure-stored.ts'
import { measureTokens } from './measure-tokens.ts'
import { measureVault } from './measure-vault.ts'
import { formatTable, type BenchResults } from './result.ts'
import { compileSubjects } from './subject.ts'

const parts: Readonly<Record<string, (effort: Effort) => Promise<BenchResults>>> = {
  http: measureHttp,
  runs: measureRuns,
  queues: measureQueues,
  jobs: measureJobs,
  vault: measureVault,
  stored: measureStored,
  latency: measureLatency,
  rotation: measureRotation,
  refresh: measureRefresh,
  claims: measureClaims,
  tokens: measureTokens,
  size: measureSize,
  start: measureStart,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' } },
})
const unknown = positionals.find((name) => !Object.hasOwn(parts, name))
if (unknown !== undefined) throw new Error(`${unknown} is none of ${Object.keys(parts).join(', ')}`)

await compileSubjects()
const results: BenchResults = {}
for (const [name, measure] of Object.entries(parts)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  console.error(`measuring ${name} …`)
  try {
    Object.assign(results, await measure(values.quick ? quick : full))
  } catch (error) {
    // The figures of the other parts are still worth having.
    console.error(`${name} could not be measured.`, error)
    process.exitCode = 1
  }
}
console.log(values.json ? JSON.stringify(results) : formatTable(results))

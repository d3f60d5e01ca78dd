// What a run wrote with `io.logger`, for those who operate the server.

import type { EngineCore } from './core.ts'
import type { RunLogLine } from './engine.ts'
import type { Json } from './job.ts'
import { entriesOf, loadBeside } from './journal.ts'
import type { RunDocument } from './records.ts'

/** A line as it is sealed. */
interface SealedLine {
  readonly level: string
  readonly message: string
  readonly facts: Readonly<Record<string, Json>>
}

/** The lines of the run, in the order they were written. */
export async function readRunLog({ store, vault }: EngineCore, run: RunDocument): Promise<RunLogLine[]> {
  const session = vault.session('run', run.id)
  const beside = run.overflowed === true ? await loadBeside(store, run.id) : []
  const lines: RunLogLine[] = []
  for (const { kind, path, output, startedAt } of entriesOf(run, beside)) {
    if (kind !== 'log' || output === undefined) continue
    const { level, message, facts } = JSON.parse(session.open(output, `log:${path}`)) as SealedLine
    const task = path.slice(0, path.indexOf('#'))
    lines.push({
      at: new Date(startedAt).toISOString(),
      level,
      message,
      facts,
      ...(task === '' ? {} : { task }),
    })
  }
  return lines.sort((left, right) => (left.at < right.at ? -1 : left.at > right.at ? 1 : 0))
}

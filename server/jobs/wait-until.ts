// `io.waitUntil`: sleeps until a date.

import type { JournalEntry } from './records.ts'
import { storeStep, whereItEnds } from './journal-step.ts'
import { longestWaitSeconds } from './outside-wait.ts'
import type { RunIOOptions } from './run-io.ts'
import { wrongCall } from './wrong-call.ts'
import { assertSame } from './task-runner.ts'

/** See `IO.waitUntil`. The date of the first time counts: code that reckons from now gives another one at each pass. */
export async function waitUntil(parts: RunIOOptions, key: string, date: Date): Promise<void> {
  const { execution, journal, runner, core, run } = parts
  const ended = whereItEnds(execution)
  if (ended !== undefined) await ended
  const caller = execution.frame
  const at = date instanceof Date ? date.getTime() : NaN
  const path = runner.takeKey(caller, key)
  let entry = journal.get(path)
  if (entry !== undefined) assertSame(entry, 'wait', 'until')
  else {
    const startedAt = core.now()
    if (!(at <= startedAt + longestWaitSeconds * 1000)) {
      const call = { name: 'waitUntil', key, job: run.job }
      throw wrongCall(call, 'it takes a valid Date, at most a year and a day ahead.')
    }
    journal.assertRoom()
    entry = newWait(path, startedAt, Math.max(startedAt, at))
    await storeStep(parts, entry)
  }
  if ((entry.until ?? 0) > core.now()) await execution.sleep(caller, entry.until ?? 0)
}

const newWait = (path: string, startedAt: number, until: number): JournalEntry => ({
  path,
  kind: 'wait',
  state: 'waiting',
  attempt: 1,
  params: 'until',
  startedAt,
  until: Math.ceil(until),
})

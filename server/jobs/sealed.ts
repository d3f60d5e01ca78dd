// The sets of the job engine that hold sealed values, for the rotation of keys. Runs that are over are sealed anew like
// the others: a key that was given away must not stay good for the payloads of the last 30 days.

import type { SealedSet } from '../vault/sealed-set.ts'
import type { SealedRecordType, Vault } from '../vault/vault.ts'
import {
  events,
  runs,
  tasks,
  type EventDocument,
  type JournalEntry,
  type RunDocument,
  type TaskDocument,
} from './records.ts'
import { sealedValues } from './value-records.ts'
import { eventWaits, requestWaits, type EventWaitDocument, type RequestWaitDocument } from './wait-records.ts'

const eventSet: SealedSet<EventDocument> = {
  set: events,
  busy: () => undefined,
  reseal: ({ id, body, targets }, vault) => ({
    body: vault.session('run', targets[0]?.runId ?? id).reseal(body, 'event'),
  }),
}

/** The worker of a run that is being executed may write its journal back as it read it. */
const runSet: SealedSet<RunDocument> = {
  set: runs,
  busy: ({ owner }) => (owner === undefined ? undefined : 'a run that is being executed'),
  reseal: ({ id, journal, output, error }, vault) => {
    const session = vault.session('run', id)
    return {
      ...(journal && {
        journal: journal.map((chunk) => chunk.map((entry) => resealEntry(vault, id, entry))),
      }),
      ...(output !== undefined && { output: session.reseal(output, 'output') }),
      ...(error !== undefined && { error: session.reseal(error, 'error') }),
    }
  },
}

/** Results beside a run are written once and never again. */
const taskSet: SealedSet<TaskDocument> = {
  set: tasks,
  busy: () => undefined,
  reseal: ({ id, entry }, vault) => ({ entry: resealEntry(vault, id.slice(0, id.indexOf('/')), entry) }),
}

const eventWaitSet: SealedSet<EventWaitDocument> = {
  set: eventWaits,
  busy: () => undefined,
  reseal: ({ runId, path, filter, contextFilter, event }, vault) => {
    const session = vault.session('run', runId)
    return {
      ...(filter !== undefined && { filter: session.reseal(filter, `filter:${path}`) }),
      ...(contextFilter !== undefined && {
        contextFilter: session.reseal(contextFilter, `contextFilter:${path}`),
      }),
      ...(event !== undefined && { event: session.reseal(event, `event:${path}`) }),
    }
  },
}

const requestWaitSet: SealedSet<RequestWaitDocument> = {
  set: requestWaits,
  busy: () => undefined,
  reseal: ({ runId, path, body }, vault) =>
    body === undefined ? {} : { body: vault.session('run', runId).reseal(body, `request:${path}`) },
}

function resealEntry(vault: Vault, runId: string, entry: JournalEntry): JournalEntry {
  const { kind, path, output, error } = entry
  const session = vault.session('run', runId)
  return {
    ...entry,
    ...(output !== undefined && {
      output: session.reseal(output, `${kind === 'log' ? 'log' : 'output'}:${path}`),
    }),
    ...(error !== undefined && { error: session.reseal(error, `error:${path}`) }),
  }
}

/** Sets with sealed values by the kind of record they are sealed for. */
export const jobSealedSets = {
  run: [eventSet, runSet, taskSet, eventWaitSet, requestWaitSet],
  value: [sealedValues],
} as const satisfies Partial<Record<SealedRecordType, readonly SealedSet[]>>

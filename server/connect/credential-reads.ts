// Who was given which credential: counted per connection, reader and minute, written within a second. Where every read
// has to be told, each has its row before its answer leaves.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Auth } from '../../shared/auth.ts'
import type { NewDocument } from '../store/store.ts'
import { auditRow, type Actor } from './audit.ts'
import type { AuthReader } from './connect.ts'
import type { ConnectContext } from './context.ts'
import { compositeDigest } from './digest.ts'
import type { AuditRecord } from './records.ts'
import { auditSet } from './sets.ts'

/** How long counts are held in memory, in ms: what a killed process loses. */
const holdMs = 1_000
const minuteMs = 60_000
/** Counts held while the store can't be written; further ones are lost and logged. */
const maxHeld = 20_000
const writesAtOnce = 200

/** A credential that was given out. */
export interface CredentialRead {
  readonly integration: string
  readonly accountId: string
  readonly auth: Pick<Auth, 'connectionId' | 'identity'>
  readonly reader: AuthReader
}

/** Notes reads. */
export interface CredentialReads {
  /** Notes one. Resolves at once where reads are counted; where each is told, once its row is durable. */
  note(read: CredentialRead): Promise<void>
  /** Writes what is held. */
  flush(): Promise<void>
}

interface Held {
  readonly row: NewDocument<AuditRecord>
  count: number
}

/** Names the row that a read counts in. Cheap, since every read is named. */
const nameOf = ({ auth, reader }: CredentialRead, minute: number): string =>
  `${minute} ${auth.connectionId} ${'run' in reader ? 'run' : 'key'} ${'run' in reader ? reader.run : reader.key} ${auth.identity.id}`

/** The notes of one connect service. */
export function createCredentialReads(context: ConnectContext): CredentialReads {
  const { store, log, audit } = context
  let held = new Map<string, Held>()
  let timer: NodeJS.Timeout | undefined
  let flushing: Promise<void> = Promise.resolve()

  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const taken = [...held]
    held = new Map()
    for (let at = 0; at < taken.length; at += writesAtOnce) {
      const some = taken.slice(at, at + writesAtOnce)
      const written = await Promise.allSettled(some.map(([, entry]) => write(context, entry)))
      written.forEach(({ status }, index) => {
        const [name, entry] = some[index] ?? []
        if (status === 'rejected' && name !== undefined && entry) hold(name, entry.count, () => entry.row)
      })
    }
  }
  const hold = (name: string, count: number, makeRow: () => NewDocument<AuditRecord>): void => {
    const known = held.get(name)
    if (known) known.count += count
    else if (held.size < maxHeld) held.set(name, { row: makeRow(), count })
    else log.error({ count }, 'reads of a credential are missing in the audit trail')
    timer ??= setTimeout(() => {
      flushing = flush().catch((error: unknown) => log.warn({ err: error }, 'reads could not be written'))
    }, holdMs).unref()
  }
  return {
    async note(read) {
      if (audit.reads === 'minute') {
        const minute = Math.floor(store.now() / minuteMs) * minuteMs
        return hold(nameOf(read, minute), 1, () => minuteRow(read, minute, audit.days))
      }
      const row = auditRow(store.now(), entryOf(read), audit.days)
      if (!(await store.insert(auditSet, row))) throw new AuthFlowError('conflict')
    },
    async flush() {
      await flushing
      await flush()
    },
  }
}

/** Adds to the row of the minute, which another process may have begun. */
async function write({ store }: ConnectContext, { row, count }: Held): Promise<void> {
  const add = (): Promise<boolean> => store.update(auditSet, row.id, {}, { increment: { count } })
  if (await add()) return
  if (!(await store.insert(auditSet, { ...row, count }))) await add()
}

/** The row of this minute: its id is the same in every process. */
function minuteRow(read: CredentialRead, minute: number, days: number): NewDocument<AuditRecord> {
  const row = auditRow(minute, entryOf(read), days)
  const unique = compositeDigest(read.auth.connectionId, read.auth.identity.id, row.actor)
  return { ...row, id: `${row.id.slice(0, 12)}-${unique}` }
}

function entryOf({ integration, accountId, auth, reader }: CredentialRead): Parameters<typeof auditRow>[1] {
  const { connectionId, identity } = auth
  const actor: Actor =
    'run' in reader ? { name: `run:${reader.run}`, key: null } : { name: reader.key, key: reader.key }
  const connection = { id: connectionId, integration, accountId }
  return { action: 'credential.read', actor, connection, identityId: identity.id }
}

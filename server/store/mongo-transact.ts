// A transaction on MongoDB: one bulk for each set, all in one session's transaction. Totals are enough here, since all
// must apply. Conflicts with other writers are tried again for a bounded time.

import { setTimeout as sleep } from 'node:timers/promises'
import type { AnyBulkWriteOperation, ClientSession, Collection, MongoClient } from 'mongodb'
import { AuthFlowError } from '../../shared/errors.ts'
import { matches, parseMatch } from './change.ts'
import { checkDocument, checkId, invalid } from './document.ts'
import { toFilter, toPipeline, toRaw } from './mongo-document.ts'
import type { Raw } from './mongo-document.ts'
import { isDuplicateKey, isTransient, isUnknownCommit } from './mongo-errors.ts'
import type { WithinLimit } from './mongo-limit.ts'
import type { MongoSet } from './mongo-set.ts'
import type { Step } from './store.ts'

/** A checked step. */
interface Move {
  readonly set: MongoSet
  readonly id: string
  /** False when the conditions contradict the id. */
  readonly possible: boolean
  readonly operation: (nowMs: number) => AnyBulkWriteOperation<Raw>
}

const retryMinMs = 2
const retryMaxMs = 30

/** Checks the steps when the caller calls. */
export function parseSteps(steps: readonly Step[], setOf: (name: string) => MongoSet): Move[] {
  return steps.map((step): Move => {
    const set = setOf(step.set)
    // A snapshot does not keep others from inserting there meanwhile.
    if (step.verb === 'vacant') throw invalid('this store takes no vacancy in a transaction')
    if (step.verb === 'insert') {
      const { raw } = toRaw(set.checkFields(checkDocument(step.document)))
      return { set, id: raw._id, possible: true, operation: () => ({ insertOne: { document: raw } }) }
    }
    const id = checkId(step.id)
    const terms = parseMatch(step.match)
    const possible = matches(
      { id },
      terms.filter((term) => term.field === 'id'),
    )
    if (step.verb === 'remove') {
      return { set, id, possible, operation: (now) => ({ deleteOne: { filter: toFilter(id, terms, now) } }) }
    }
    if (step.verb !== 'update') throw invalid('a step is an insert, an update or a remove')
    const update = toPipeline(set.parseEdit(step.change))
    return {
      set,
      id,
      possible,
      operation: (now) => ({ updateOne: { filter: toFilter(id, terms, now), update } }),
    }
  })
}

/** True when all moves applied; false when one did not, and none did. */
export async function runMoves(
  client: MongoClient,
  moves: readonly Move[],
  { now, timeoutMs, within }: { now: () => number; timeoutMs: number; within: WithinLimit },
): Promise<boolean> {
  if (moves.some((move) => !move.possible)) return false
  const deadline = performance.now() + timeoutMs
  const session = client.startSession()
  try {
    for (;;) {
      try {
        return await tryOnce(session, groupMoves(moves, now()), { deadline, within })
      } catch (error) {
        if (isDuplicateKey(error)) return false
        if (!isTransient(error)) throw error
        if (performance.now() > deadline) throw new AuthFlowError('store_busy', undefined, { cause: error })
      }
      await sleep(retryMinMs + Math.random() * (retryMaxMs - retryMinMs))
    }
  } finally {
    // The outcome stands whatever becomes of the session, which the server ends itself after a while.
    await within(() => session.endSession()).catch(() => undefined)
  }
}

/** What each attempt is given. */
interface Attempt {
  /** When no other begins, in ms of `performance.now`. */
  readonly deadline: number
  readonly within: WithinLimit
}

async function tryOnce(
  session: ClientSession,
  groups: ReadonlyMap<Collection<Raw>, AnyBulkWriteOperation<Raw>[]>,
  { deadline, within }: Attempt,
): Promise<boolean> {
  session.startTransaction({
    readConcern: { level: 'snapshot' },
    writeConcern: { w: 'majority', journal: true },
  })
  try {
    for (const [collection, operations] of groups) {
      const reply = await within(() => collection.bulkWrite(operations, { session, ordered: true }))
      if (reply.insertedCount + reply.matchedCount + reply.deletedCount < operations.length) {
        await within(() => session.abortTransaction())
        return false
      }
    }
  } catch (error) {
    if (session.inTransaction()) await within(() => session.abortTransaction())
    throw error
  }
  await commit(session, { deadline, within })
  return true
}

function groupMoves(
  moves: readonly Move[],
  nowMs: number,
): Map<Collection<Raw>, AnyBulkWriteOperation<Raw>[]> {
  const groups = new Map<Collection<Raw>, AnyBulkWriteOperation<Raw>[]>()
  for (const move of moves) {
    const group = groups.get(move.set.collection) ?? []
    group.push(move.operation(nowMs))
    groups.set(move.set.collection, group)
  }
  return groups
}

/** Repeats a commit whose answer got lost: the server knows whether it was done. */
async function commit(session: ClientSession, { deadline, within }: Attempt): Promise<void> {
  for (;;) {
    try {
      return await within(() => session.commitTransaction())
    } catch (error) {
      if (!isUnknownCommit(error) || performance.now() > deadline) throw error
    }
    await sleep(retryMinMs)
  }
}

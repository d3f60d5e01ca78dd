// A transaction on SQLite: every step is judged in memory first, on top of the steps before it; only when all apply is
// anything written. So a group that fails leaves its neighbours in the batch alone.

import type { Step } from './store.ts'
import { applyEdit, matches, parseMatch } from './change.ts'
import { checkBound, checkId, invalid, isExpired } from './document.ts'
import type { Edit, Term } from './change.ts'
import type { Fields } from './document.ts'
import type { NewRow, SqliteTable } from './sqlite-table.ts'

/** A step, checked, with its table. */
type Move =
  | { readonly verb: 'insert'; readonly table: SqliteTable; readonly id: string; readonly row: NewRow }
  | {
      readonly verb: 'update'
      readonly table: SqliteTable
      readonly id: string
      readonly terms: readonly Term[]
      readonly edit: Edit
    }
  | {
      readonly verb: 'remove'
      readonly table: SqliteTable
      readonly id: string
      readonly terms: readonly Term[]
    }

/** What must be so before any move is made. */
interface Condition {
  readonly verb: 'vacant'
  readonly table: SqliteTable
  readonly from: string
  readonly to: string
}

/** A document that the transaction touches, as it stands after the steps so far. */
interface Draft {
  readonly table: SqliteTable
  readonly id: string
  /** There is a row for it, perhaps an expired one. */
  readonly existed: boolean
  fields: Fields | undefined
  /** Set instead of `fields` while nothing has touched what was inserted. */
  fresh: NewRow | undefined
  readonly touched: Set<string>
  /** Removed and inserted again, so that all columns are new. */
  replaced: boolean
}

/** Checks the steps when the caller calls. */
export function parseSteps(
  steps: readonly Step[],
  tableOf: (set: string) => SqliteTable,
): (Move | Condition)[] {
  return steps.map((step): Move | Condition => {
    const table = tableOf(step.set)
    switch (step.verb) {
      case 'insert': {
        const row = table.createNewRow(step.document)
        return { verb: 'insert', table, id: row.id, row }
      }
      case 'update':
        return {
          verb: 'update',
          table,
          id: checkId(step.id),
          terms: parseMatch(step.match),
          edit: table.parseEdit(step.change),
        }
      case 'remove':
        return { verb: 'remove', table, id: checkId(step.id), terms: parseMatch(step.match) }
      case 'vacant':
        return { verb: 'vacant', table, from: checkBound(step.from, 'from'), to: checkBound(step.to, 'to') }
      default:
        throw invalid('a step is an insert, an update, a remove or a vacancy')
    }
  })
}

/** True when all moves applied and are written; false when one did not apply, and nothing is written. */
export function runMoves(steps: readonly (Move | Condition)[], nowMs: number): boolean {
  const moves: Move[] = []
  for (const step of steps) {
    if (step.verb !== 'vacant') moves.push(step)
    else if (!step.table.isVacant(step.from, step.to, nowMs)) return false
  }
  if (areInserts(moves)) return insertAll(moves)
  const drafts = new Map<string, Draft>()
  for (const move of moves) {
    const key = `${move.table.name} ${move.id}`
    const draft = drafts.get(key) ?? openDraft(move.table, move.id)
    drafts.set(key, draft)
    if (!tryMove(move, draft, nowMs)) return false
  }
  // Bodies are measured before the first write: an error after it would leave half a group.
  const writes = [...drafts.values()].map((draft) => planWrite(draft))
  for (const write of writes) write()
  return true
}

type Insert = Extract<Move, { verb: 'insert' }>

function areInserts(moves: readonly Move[]): moves is readonly Insert[] {
  return moves.every(({ verb }) => verb === 'insert')
}

/** Nothing to be judged beforehand: what was inserted before one that exists is deleted again, as if never there. */
function insertAll(moves: readonly Insert[]): boolean {
  const at = moves.findIndex(({ table, row }) => !table.insert(row))
  for (const done of moves.slice(0, Math.max(at, 0))) done.table.delete(done.id)
  return at < 0
}

function openDraft(table: SqliteTable, id: string): Draft {
  const fields = table.take(id)
  const existed = fields !== undefined
  return { table, id, existed, fields, fresh: undefined, touched: new Set(), replaced: false }
}

function tryMove(move: Move, draft: Draft, nowMs: number): boolean {
  if (move.verb === 'insert') {
    if (draft.fields !== undefined || draft.fresh !== undefined) return false
    draft.fresh = move.row
    draft.replaced = true
    return true
  }
  const fields = settleFields(draft)
  if (fields === undefined || isExpired(fields, nowMs) || !matches(fields, move.terms)) return false
  if (move.verb === 'remove') {
    draft.fields = undefined
    return true
  }
  applyEdit(fields, move.edit)
  for (const name of move.edit.fields) draft.touched.add(name)
  return true
}

function settleFields(draft: Draft): Fields | undefined {
  if (draft.fresh !== undefined) {
    draft.fields = JSON.parse(draft.fresh.body)
    draft.fresh = undefined
  }
  return draft.fields
}

function planWrite(draft: Draft): () => void {
  const { table, id, existed, fresh } = draft
  if (fresh !== undefined && !existed) return () => void table.insert(fresh)
  const fields = settleFields(draft)
  if (fields === undefined) return existed ? () => table.delete(id) : () => {}
  if (existed) return table.planRewrite(id, fields, draft.replaced ? table.fields : [...draft.touched])
  const row = table.createRow({ ...fields, id })
  return () => void table.insert(row)
}

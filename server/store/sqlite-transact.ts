// A transaction on SQLite: every step is judged in memory first, on top of the steps before it; only when all apply is
// anything written. So a group that fails leaves its neighbours in the batch alone.

import type { Step } from './store.ts'
import {
  applyEdit,
  checkDocument,
  checkId,
  editedFields,
  invalid,
  isExpired,
  matches,
  parseMatch,
} from './document.ts'
import type { Edit, Fields, Term } from './document.ts'
import type { SqliteTable } from './sqlite-table.ts'

/** A step, checked, with its table. */
type Move =
  | { readonly verb: 'insert'; readonly table: SqliteTable; readonly id: string; readonly body: string }
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

/** A document that the transaction touches. */
interface Draft {
  readonly table: SqliteTable
  readonly id: string
  readonly existed: boolean
  fields: Fields | undefined
  readonly touched: Set<string>
  /** Also fields that no step names have changed: the row was removed and made again. */
  replaced: boolean
}

/** Checks the steps when the caller calls. */
export function parseSteps(steps: readonly Step[], tableOf: (set: string) => SqliteTable): Move[] {
  return steps.map((step): Move => {
    const table = tableOf(step.set)
    switch (step.verb) {
      case 'insert': {
        const row = table.createRow(checkDocument(step.document))
        return { verb: 'insert', table, id: row.id, body: String(row.values[1]) }
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
      default:
        throw invalid('a step is an insert, an update or a remove')
    }
  })
}

/** True when all moves applied and are written; false when one did not apply, and nothing is written. */
export function runMoves(moves: readonly Move[], nowMs: number): boolean {
  const drafts = new Map<string, Draft>()
  for (const move of moves) {
    const key = `${move.table.name} ${move.id}`
    let draft = drafts.get(key)
    if (draft === undefined) {
      const fields = move.table.read(move.id)
      const existed = fields !== undefined
      draft = { table: move.table, id: move.id, existed, fields, touched: new Set(), replaced: false }
      drafts.set(key, draft)
    }
    if (!tryMove(move, draft, nowMs)) return false
  }
  // Bodies are measured before the first write: an error after it would leave half a group.
  const writes = [...drafts.values()].map((draft) => planWrite(draft))
  for (const write of writes) write()
  return true
}

function tryMove(move: Move, draft: Draft, nowMs: number): boolean {
  if (move.verb === 'insert') {
    if (draft.fields !== undefined) return false
    draft.fields = JSON.parse(move.body)
    draft.replaced = true
    return true
  }
  const fields = draft.fields
  if (fields === undefined || isExpired(fields, nowMs) || !matches(fields, move.terms)) return false
  if (move.verb === 'remove') {
    draft.fields = undefined
    return true
  }
  applyEdit(fields, move.edit)
  for (const name of editedFields(move.edit)) draft.touched.add(name)
  return true
}

function planWrite({ table, id, existed, fields, touched, replaced }: Draft): () => void {
  if (fields === undefined) return existed ? () => table.delete(id) : () => {}
  if (existed) {
    const write = table.planRewrite(id, fields, replaced ? table.fields : [...touched])
    return write
  }
  const row = table.createRow({ ...fields, id })
  return () => void table.insert(row)
}

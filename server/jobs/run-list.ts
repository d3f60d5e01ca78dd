// Runs in a listing: by account or job with an index; what else is asked for is looked for among these, a bounded number
// at a time.

import { AuthFlowError } from '../../shared/errors.ts'
import type { RunState } from '../../shared/flow.ts'
import { checkAccountId } from '../../shared/ids.ts'
import type { DocumentPage, Store } from '../store/store.ts'
import { checkObject, checkText } from './event-input.ts'
import { runs, type RunDocument } from './records.ts'

const defaultPageSize = 20
const maxPageSize = 100
/** Most runs that are looked at for one page. */
const maxLookedAt = 1000

/** Every state of a run. */
export const runStates = [
  'queued',
  'running',
  'waiting',
  'waiting_for_connection',
  'waiting_for_version',
  'blocked',
  'succeeded',
  'failed',
  'cancelled',
] as const satisfies readonly RunState[]

/** Which runs to list. All of them when empty. */
export interface RunListQuery {
  readonly accountId?: string
  readonly job?: string
  readonly state?: RunState
  /** 1 to 100 (default 20). */
  readonly limit?: number
  readonly cursor?: string
}

/**
 * Newest first. With several conditions a page may be short and still have a cursor.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export async function findRuns(store: Store, query: RunListQuery): Promise<DocumentPage<RunDocument>> {
  checkObject('a query of runs', query, '{ job, accountId, state }')
  const { accountId, job, state, limit = defaultPageSize, cursor: start } = query
  if (job !== undefined) checkText('job', job)
  if (state !== undefined && !runStates.includes(state))
    throw new AuthFlowError('invalid_input', `state must be one of ${runStates.join(', ')}.`)
  if (!Number.isInteger(limit) || limit < 1 || limit > maxPageSize)
    throw new AuthFlowError('invalid_input', `limit must be an integer from 1 to ${maxPageSize}.`)
  const by =
    accountId !== undefined
      ? { index: 'account', equals: checkAccountId(accountId) }
      : job !== undefined
        ? { index: 'job', equals: job }
        : { index: 'all', equals: 'run' }
  const isMeant = (run: RunDocument): boolean =>
    (job === undefined || run.job === job) && (state === undefined || run.state === state)
  const items: RunDocument[] = []
  let cursor = start
  for (let looked = 0; looked < maxLookedAt; looked += limit) {
    const from = cursor === undefined ? {} : { cursor }
    // One page more might bring more than fits; what does not fit is looked at again by the next call.
    const page = await store.list(runs, { ...by, order: 'desc', limit: limit - items.length, ...from })
    items.push(...page.items.filter(isMeant))
    cursor = page.cursor
    if (cursor === undefined || items.length >= limit) break
  }
  return cursor === undefined ? { items } : { items, cursor }
}

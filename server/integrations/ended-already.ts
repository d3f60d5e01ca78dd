// Ending a grant that is gone: what was wanted, whatever the provider calls it.

import { isAuthFlowError } from '../../shared/errors.ts'

/** Does the work; an answer with one of the statuses means that the grant was over already. */
export async function unlessEnded(statuses: readonly number[], work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const status = isAuthFlowError(error) ? error.details.status : undefined
    if (status === undefined || !statuses.includes(status)) throw error
  }
}

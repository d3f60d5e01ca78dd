// Parameters of registrations: stored as JSON, judged by their source every time they are used.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Json } from '../jobs/job.ts'
import type { AnyDynamicTrigger } from './registration.ts'

/** The source's own parameters, of what was stored. Throws `invalid_input`. */
export function paramsOf(source: AnyDynamicTrigger['source'], stored: Json): unknown {
  const parsed = source.params.safeParse(stored)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place =
    issue === undefined || issue.path.length === 0 ? 'params' : `params.${issue.path.map(String).join('.')}`
  throw new AuthFlowError(
    'invalid_input',
    `${place} does not fit ${source.id}: ${issue?.message ?? 'invalid'}`,
  )
}

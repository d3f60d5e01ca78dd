// Schemas of triggers and waits, and payloads held against them.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Json, PayloadSchema } from './job.ts'

/**
 * Checks that a schema, where there is one, can judge payloads.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkSchema(what: string, schema: unknown): void {
  if (schema === undefined) return
  const isObject = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  if (!isObject || !('safeParse' in schema) || typeof schema.safeParse !== 'function')
    throw new AuthFlowError('invalid_input', `The schema of ${what} must have safeParse, as those of zod do.`)
}

/**
 * The payload as the schema has it.
 *
 * @throws {@link AuthFlowError} `invalid_payload` naming the place
 */
export function parsePayload<Payload>(
  schema: PayloadSchema<Payload> | undefined,
  payload: Json,
  job: string,
): Payload {
  // A trigger without a schema has JSON as its payload's type.
  if (schema === undefined) return payload as Payload
  let result
  try {
    result = schema.safeParse(payload)
    if (typeof result.success !== 'boolean') throw new TypeError('safeParse gave no result')
  } catch (cause) {
    throw new AuthFlowError('invalid_payload', `The schema of job ${job} could not judge the payload.`, {
      cause,
    })
  }
  if (result.success) return result.data
  const [issue] = result.error.issues
  const place =
    issue === undefined || issue.path.length === 0 ? 'payload' : `payload.${issue.path.map(String).join('.')}`
  throw new AuthFlowError(
    'invalid_payload',
    `${place} does not fit job ${job}: ${issue?.message ?? 'invalid'}`,
  )
}

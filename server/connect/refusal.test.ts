import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isAuthFlowError } from '../../shared/errors.ts'
import { refusal } from './refusal.ts'

describe('refusal', () => {
  it('makes an error without a stack, and leaves the stacks of others alone', () => {
    const limit = Error.stackTraceLimit
    const error = refusal('token_invalid')
    assert.ok(isAuthFlowError(error))
    assert.equal(error.stack, `AuthFlowError: ${error.message}`)
    assert.equal(Error.stackTraceLimit, limit)
    assert.match(new Error('another').stack ?? '', /refusal\.test/)
  })

  it('leaves them alone where the code is wrong too', () => {
    const limit = Error.stackTraceLimit
    // @ts-expect-error no row of the table
    assert.throws(() => refusal('no_such_code'))
    assert.equal(Error.stackTraceLimit, limit)
  })
})

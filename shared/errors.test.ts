import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  AuthFlowError,
  errorTable,
  isAuthFlowError,
  isErrorCode,
  toAuthFlowError,
  type ErrorCode,
} from './errors.ts'

const codes = Object.keys(errorTable).filter(isErrorCode)

describe('errorTable', () => {
  it('has for each code a status, and a text of whole sentences that says what happened', () => {
    for (const code of codes) {
      const { status, help } = errorTable[code]
      assert.match(code, /^[a-z]+(_[a-z]+)*$/)
      assert.ok(status >= 400 && status <= 599, code)
      assert.match(help, /^[A-Z`].{15,}\.$/, code)
      assert.ok(help.length < 220, code)
    }
  })

  it('hides nothing that its caller can act on, and shows nothing of the server’s inside', () => {
    for (const code of codes) {
      const { exposed, status } = errorTable[code]
      if (status < 500 && code !== 'lease_lost') assert.equal(exposed, true, code)
    }
    for (const code of ['internal', 'unreadable_ciphertext', 'store_corrupt', 'lease_lost'] as const) {
      assert.equal(errorTable[code].exposed, false, code)
    }
  })

  it('calls nothing retryable that the caller has to change first', () => {
    for (const code of codes) {
      const { status, retryable } = errorTable[code]
      if (retryable) assert.ok([409, 429, 502, 503].includes(status), code)
    }
  })
})

describe('AuthFlowError', () => {
  it('takes status, retryable and text from the table', () => {
    for (const code of codes) {
      const error = new AuthFlowError(code)
      const { status, retryable, exposed, help } = errorTable[code]
      assert.deepEqual(
        [error.code, error.status, error.retryable, error.exposed],
        [code, status, retryable, exposed],
      )
      assert.equal(error.message, help)
      assert.deepEqual(error.details, {})
      assert.equal('cause' in error, false)
    }
  })

  it('keeps message, details and cause', () => {
    const cause = new Error('inner')
    const error = new AuthFlowError('not_connected', 'Connect first.', { details: { accountId: '1' }, cause })
    assert.equal(error.message, 'Connect first.')
    assert.equal(error.cause, cause)
    assert.deepEqual(error.toReply(), {
      code: 'not_connected',
      message: 'Connect first.',
      retryable: false,
      details: { accountId: '1' },
    })
  })

  it('leaves the process without what is hidden', () => {
    for (const code of codes.filter((name) => !errorTable[name].exposed)) {
      const reply = new AuthFlowError(code, 'canary', {
        details: { reason: 'canary' },
        cause: new Error('canary'),
      }).toReply()
      assert.equal(reply.code, 'internal')
      assert.equal(reply.retryable, errorTable[code].retryable)
      assert.doesNotMatch(JSON.stringify(reply), /canary/)
    }
  })

  it('narrows by its code', () => {
    const error: AuthFlowError<'needs_reauth'> = new AuthFlowError('needs_reauth')
    const code: ErrorCode = error.code
    assert.equal(code, 'needs_reauth')
  })
})

describe('isAuthFlowError', () => {
  it('knows its own, also of another copy of the module, and nothing else', () => {
    const foreign = Object.assign(new Error('x'), { name: 'AuthFlowError', code: 'forbidden' })
    assert.equal(isAuthFlowError(new AuthFlowError('forbidden')), true)
    assert.equal(isAuthFlowError(foreign), true)
    const others = [
      null,
      undefined,
      'forbidden',
      {},
      new Error('x'),
      { name: 'AuthFlowError', code: 'forbidden' },
    ]
    others.push(Object.assign(new Error('x'), { name: 'AuthFlowError', code: 'no_such_code' }))
    others.push(Object.assign(new Error('x'), { code: 'forbidden' }))
    for (const other of others) assert.equal(isAuthFlowError(other), false)
  })
})

describe('isErrorCode', () => {
  it('knows the codes of the table and not what objects have of themselves', () => {
    assert.equal(isErrorCode('internal'), true)
    for (const value of [
      'constructor',
      '__proto__',
      'toString',
      '',
      'Internal',
      7,
      null,
      undefined,
      ['internal'],
    ]) {
      assert.equal(isErrorCode(value), false)
    }
  })
})

describe('toAuthFlowError', () => {
  it('passes its own through and wraps the rest without showing it', () => {
    const own = new AuthFlowError('conflict')
    assert.equal(toAuthFlowError(own), own)
    for (const thrown of [new Error('canary'), 'canary', { canary: 1 }, 0, null]) {
      const error = toAuthFlowError(thrown)
      assert.equal(error.code, 'internal')
      assert.equal(error.cause, thrown)
      assert.doesNotMatch(JSON.stringify(error.toReply()), /canary/)
    }
    assert.equal(toAuthFlowError(undefined).code, 'internal')
  })
})

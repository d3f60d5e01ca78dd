import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../scripts/case-counts.ts'
import { isAuthFlowError } from '../../shared/errors.ts'
import { readQueueOption, type QueueOption } from './redis-options.ts'

describe('readQueueOption', () => {
  it('reads one server', () => {
    assert.equal(readQueueOption(undefined), undefined)
    assert.deepEqual(readQueueOption('redis://localhost'), {
      kind: 'server',
      node: { host: 'localhost', port: 6379, tls: false },
      db: 0,
    })
    assert.deepEqual(readQueueOption('rediss://ada:p%40ss@[::1]:7000/3'), {
      kind: 'server',
      node: { host: '::1', port: 7000, tls: true, username: 'ada', password: 'p@ss' },
      db: 3,
    })
  })

  it('reads a cluster and sentinels', () => {
    assert.deepEqual(readQueueOption({ cluster: ['redis://:x@a:7000', 'redis://b'] }), {
      kind: 'cluster',
      nodes: [
        { host: 'a', port: 7000, tls: false, password: 'x' },
        { host: 'b', port: 6379, tls: false },
      ],
    })
    assert.deepEqual(
      readQueueOption({ sentinels: ['redis://a'], master: 'main', password: 'of the master', db: 1 }),
      {
        kind: 'sentinels',
        nodes: [{ host: 'a', port: 26_379, tls: false }],
        master: 'main',
        password: 'of the master',
        db: 1,
      },
    )
  })

  it('refuses what can’t work, and never repeats it', () => {
    const wrong: QueueOption[] = [
      '',
      'amqp://secret',
      'redis://',
      'redis:secret',
      'redis://secret:0x',
      'redis://host/secret',
      'redis://host/1/secret',
      'redis://host?password=secret',
      'redis://host#secret',
      'redis://%E0%A4%A:secret@host',
      'http://secret',
      {},
      { cluster: [] },
      { cluster: ['secret'] },
      { cluster: ['redis://host/1'] },
      { cluster: ['redis://a'], sentinels: ['redis://b'] },
      { sentinels: ['redis://secret'] },
      { sentinels: ['redis://a'], master: '' },
      { sentinels: ['redis://a'], master: 'm', db: -1 },
    ]
    for (const option of wrong) {
      assert.throws(
        () => readQueueOption(option),
        (error) =>
          isAuthFlowError(error) && error.code === 'invalid_option' && !error.message.includes('secret'),
        JSON.stringify(option),
      )
    }
  })

  it('reads any URL or says invalid_option', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl().map((url) => url.replace(/^https?/, 'redis')),
        ),
        (text) => {
          try {
            const read = readQueueOption(text)
            assert.ok(read?.kind === 'server' && Number.isInteger(read.db) && read.node.host !== '')
          } catch (error) {
            assert.ok(isAuthFlowError(error) && error.code === 'invalid_option', String(error))
          }
        },
      ),
      { numRuns: casesOf(2000) },
    )
  })
})

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { AuthFlowError } from '../../shared/errors.ts'
import type { IntegrationInspection, ServerInspection } from '../inspection.ts'
import type { KeyState } from '../vault/retire-key.ts'
import { reach } from './doctor.ts'
import {
  addressFindings,
  clockFinding,
  failed,
  integrationFindings,
  keyFindings,
  type Finding,
} from './findings.ts'

/** What a finding comes to, in short: its status, and what it says to do. */
type Expected = readonly [check: string, status: Finding['status'], mend?: RegExp | undefined]

function expectFindings(findings: readonly Finding[], expected: readonly Expected[]): void {
  assert.deepEqual(
    findings.map(({ check, status }) => [check, status]),
    expected.map(([check, status]) => [check, status]),
  )
  for (const [index, [check, , mend]] of expected.entries()) {
    const found = findings[index]?.mend
    if (mend === undefined) assert.equal(found, undefined, check)
    else assert.match(found ?? '', mend, check)
  }
}

describe('clockFinding', () => {
  const cases: [number, Finding['status'], RegExp?][] = [
    [0, 'ok'],
    [1_999, 'ok'],
    [-1_999, 'ok'],
    [2_000, 'warn', /NTP/],
    [-59_999, 'warn', /NTP/],
    [60_000, 'fail', /NTP/],
    [-3_600_000, 'fail', /NTP/],
  ]
  for (const [offset, status, mend] of cases) {
    it(`judges ${offset} ms`, () => {
      const finding = clockFinding('clock', offset)
      expectFindings([finding], [['clock', status, mend]])
      assert.equal(finding.message, `${Math.round(Math.abs(offset) / 100) / 10} s apart`)
    })
  }
})

describe('keyFindings', () => {
  const key = (kid: string, more: Partial<KeyState> = {}): KeyState => ({
    kid,
    state: 'reading',
    wrote: true,
    writers: [],
    readers: 2,
    ...more,
  })
  const writing = key('k2', { state: 'writing', writers: ['a:1', 'b:2'] })

  it('finds nothing wrong with a key that everybody has and one that is retired', () => {
    expectFindings(keyFindings([writing, key('k1', { state: 'retired', readers: 0 })]), [['keys', 'ok']])
    expectFindings(keyFindings([]), [])
  })

  it('names an old key that is still read', () => {
    expectFindings(keyFindings([writing, key('k1')]), [
      ['keys', 'ok'],
      ['keys', 'ok', /`authflow keys rotate` and `authflow keys retire k1`/],
    ])
  })

  it('fails when running processes do not have the key that writes', () => {
    const findings = keyFindings([{ ...writing, readers: 1 }, key('k1', { state: 'retired', readers: 4 })])
    expectFindings(findings, [
      ['keys', 'ok'],
      ['keys', 'fail', /Roll it out second everywhere first/],
    ])
    assert.match(findings[1]?.message ?? '', /^3 running processes do not have k2/)
  })

  it('warns of processes that still write with another one', () => {
    const findings = keyFindings([writing, key('k1', { writers: ['old-host:7', 'old-host:8'] })])
    expectFindings(findings, [
      ['keys', 'ok'],
      ['keys', 'warn', /Put k2 first in their ring, then run `authflow keys rotate`/],
      ['keys', 'ok', /retire k1/],
    ])
    assert.match(findings[1]?.message ?? '', /^2 running processes still write with k1, such as old-host:7/)
  })
})

describe('integrationFindings', () => {
  const inspection = (...integrations: IntegrationInspection[]): ServerInspection => ({
    environment: 'test',
    baseUrl: 'https://connect.example.com',
    store: 'sqlite',
    queue: 'store',
    development: false,
    worker: true,
    jobs: [],
    integrations,
  })
  const slack = { id: 'slack-customers', provider: 'slack', methods: ['oauth2'] }
  const callbackUrl = 'https://connect.example.com/callback/slack-customers'

  it('says what to register at the provider', () => {
    const findings = integrationFindings(inspection({ ...slack, callbackUrl, clientId: 'abc' }))
    expectFindings(findings, [
      ['integration slack-customers', 'ok'],
      ['callback slack-customers', 'ok'],
    ])
    assert.equal(findings[1]?.message, `register ${callbackUrl} for client abc`)
  })

  it('fails without a client id', () => {
    for (const clientId of [{}, { clientId: '' }, { clientId: ' ' }])
      expectFindings(integrationFindings(inspection({ ...slack, callbackUrl, ...clientId })), [
        ['integration slack-customers', 'fail', /Set `oauth\.clientId`/],
      ])
  })

  it('asks no client id of what needs none, and skips what is not configured', () => {
    expectFindings(integrationFindings(inspection({ ...slack, methods: ['apiKey'] })), [
      ['integration slack-customers', 'ok'],
    ])
    expectFindings(integrationFindings(inspection({ ...slack, methods: [] })), [
      ['integration slack-customers', 'ok'],
    ])
    expectFindings(integrationFindings(inspection()), [['integrations', 'skip', /--config/]])
  })
})

describe('addressFindings', () => {
  const [here, there] = ['http://localhost:3000', 'https://connect.example.com']
  const ask = (baseUrl: string, more: { development?: true; isProduction?: true; isUnknown?: true } = {}) =>
    addressFindings(
      { baseUrl, development: more.development === true },
      { isAddressKnown: more.isUnknown !== true, isProduction: more.isProduction === true },
    )

  it('judges the address for what it is used for', () => {
    expectFindings(ask(there, { isProduction: true }), [['baseUrl', 'ok']])
    expectFindings(ask(here, { development: true }), [['baseUrl', 'ok']])
    expectFindings(ask(here, { isProduction: true }), [['baseUrl', 'fail', /public https address/]])
    expectFindings(ask(here, { isUnknown: true }), [['baseUrl', 'warn', /AUTHFLOW_BASE_URL/]])
    expectFindings(ask(there, { development: true }), [
      ['baseUrl', 'ok'],
      ['development', 'warn', /Leave `development` out/],
    ])
  })
})

describe('reach', () => {
  /** What it finds of a server that answers so. */
  async function ask(answers: Readonly<Record<string, [status: number, body: string]>>, date?: string) {
    const server = createServer((req, res) => {
      const [status, body] = answers[req.url ?? ''] ?? [404, '']
      if (date !== undefined) res.setHeader('date', date)
      res.writeHead(status).end(body)
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    try {
      return await reach(`http://localhost:${address.port}`)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const healthy = [200, '{"status":"ok"}'] as [number, string]

  it('tells a server that is ready from one that is not, and from another server', async () => {
    expectFindings(await ask({ '/healthz': healthy, '/readyz': healthy }), [
      ['server', 'ok'],
      ['clock of the server', 'ok'],
    ])
    expectFindings(await ask({ '/healthz': healthy, '/readyz': [503, ''] }), [
      ['server', 'fail', /Its log has the reason/],
      ['clock of the server', 'ok'],
    ])
    for (const [status, body] of [
      [200, '<h1>Welcome</h1>'],
      [404, ''],
      [503, '{"status":"ok"}'],
    ] as const)
      expectFindings(await ask({ '/healthz': [status, body] }), [
        ['server', 'fail', /Route the path of `baseUrl` to the authflow server/],
      ])
  })

  it('compares the clocks', async () => {
    const date = new Date(Date.now() - 3_600_000).toUTCString()
    expectFindings(await ask({ '/healthz': healthy, '/readyz': healthy }, date), [
      ['server', 'ok'],
      ['clock of the server', 'fail', /NTP/],
    ])
  })

  it('says what to do about one that does not answer, and asks no port that it may not', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    await new Promise((resolve) => server.close(resolve))
    expectFindings(await reach(`http://localhost:${address.port}`), [
      ['server', 'warn', /^Start it, or check/],
    ])
    const [closed, ...more] = await reach('http://localhost:9')
    expectFindings([...(closed ? [closed] : []), ...more], [['server', 'skip', /^No request is sent there/]])
    assert.match(closed?.message ?? '', /Port 9 of localhost is not allowed/)
  })
})

describe('failed', () => {
  it('takes the advice of an error as what to do', () => {
    const cases: [cause: unknown, message: RegExp, mend: RegExp][] = [
      [
        new AuthFlowError('store_unavailable'),
        /^The store cannot be reached\. \(store_unavailable\)$/,
        /^Check that the database runs/,
      ],
      [
        new AuthFlowError('store_corrupt'),
        /no database\. \(store_corrupt\)$/,
        /^Restore it from a backup\.$/,
      ],
      [
        new AuthFlowError('store_unavailable', 'The database refuses the password.'),
        /^The database refuses the password\. /,
        /^Check that the database runs/,
      ],
      [
        new AuthFlowError('wrong_encryption_key', 'The key is another one. Add the old one.', {
          details: { option: 'encryptionKeys' },
        }),
        /^The key is another one\. \(wrong_encryption_key\)$/,
        /^Look at encryptionKeys\. Add the old one\.$/,
      ],
      [new SyntaxError('Unexpected token'), /^Unexpected token \(internal\)$/, /^Look at the file\.$/],
    ]
    for (const [cause, message, mend] of cases) {
      const finding = failed('store', cause)
      expectFindings([finding], [['store', 'fail', mend]])
      assert.match(finding.message, message)
    }
  })
})

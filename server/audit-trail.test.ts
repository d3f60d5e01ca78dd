// The audit trail through the product: how reads are told, and what the host does with tokens and keys.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { AuthFlow } from './authflow.ts'
import { createClient } from './client.ts'
import {
  connectSlack,
  encryptionKeys,
  keepLog,
  secretKeys,
  startTestServer,
} from './http/fixtures/test-server.ts'

describe('AuthFlow.audit', () => {
  it('tells each read where that is asked for', async () => {
    const server = await startTestServer({ options: { audit: { reads: 'each' } } })
    try {
      await connectSlack(server)
      const api = createClient({ url: server.url, secretKey: secretKeys.read })
      for (let read = 0; read < 3; read += 1) await api.getAuth({ id: 'slack-customers', accountId: 'ada' })
      const { items } = await server.client.audit.list({ accountId: 'ada', action: 'credential.read' })
      assert.deepEqual(
        items.map(({ actor, key, integration, count }) => [actor, key, integration, count]),
        Array.from({ length: 3 }, () => ['read', 'read', 'slack-customers', undefined]),
      )
    } finally {
      await server.close()
    }
  })

  it('tells which connect tokens were ended and by whom, each once', async () => {
    const server = await startTestServer()
    try {
      const token = await server.token()
      await server.token('manage')
      const api = createClient({ url: server.url, secretKey: secretKeys.create })
      assert.deepEqual(await api.connectTokens.revoke({ token }), { revoked: 1 })
      assert.deepEqual(await api.connectTokens.revoke({ token }), { revoked: 0 })
      assert.deepEqual(await server.client.connectTokens.revoke({ accountId: 'ada' }), { revoked: 1 })
      assert.deepEqual(await server.client.connectTokens.revoke({ token: 'ctk_ct_none' }), { revoked: 0 })
      const { items } = await server.client.audit.list({ accountId: 'ada', action: 'token.revoked' })
      assert.deepEqual(
        items.map(({ actor, key, integration, reason }) => [actor, key, integration, reason]),
        [
          ['server', 'server', undefined, 'manage'],
          ['create', 'create', 'slack-customers', 'create'],
        ],
      )
      assert.equal(JSON.stringify(items).includes(token), false)
    } finally {
      await server.close()
    }
  })

  it('tells which key everything was sealed anew with, and which was retired', async () => {
    const server = await startTestServer()
    const { storeUrl, url, integrations } = server
    try {
      await connectSlack(server)
      await server.client.close()
      const second = `k2:${createHash('sha256').update('key two').digest('base64')}`
      const client = new AuthFlow({
        environment: 'test',
        baseUrl: url,
        store: storeUrl,
        encryptionKeys: `${second},${encryptionKeys}`,
        worker: false,
        logger: keepLog(),
        integrations,
      })
      try {
        await assert.rejects(client.keys.retire({ kid: 'k1' }), { code: 'key_in_use' })
        assert.equal((await client.keys.rotate()).outcome, 'done')
        assert.equal((await client.keys.rotate()).resealed, 0)
        await client.keys.retire({ kid: 'k1' })
        const { items } = await client.audit.list()
        assert.deepEqual(
          items
            .filter(({ action }) => action.startsWith('key.'))
            .map(({ action, reason }) => [action, reason]),
          [
            ['key.retired', 'k1'],
            ['key.rotated', 'k2'],
          ],
        )
      } finally {
        await client.close()
      }
    } finally {
      await server.close()
    }
  })
})

// A server with one integration whose keys nobody verifies, on a fresh SQLite file in its durable mode.

import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { AuthFlow, defineFields, type ApiKeyAuth, type Integration } from '../../server/index.ts'
import { randomText } from '../../shared/ids.ts'

/** An integration that is connected by any key, and does nothing. */
type Service = Integration<'bench', ApiKeyAuth> & {
  /** A task as the account. */
  ping(key: string): Promise<boolean>
}

/** That of every bench client. */
export const service: Service = {
  id: 'bench',
  metadata: { id: 'bench', name: 'Bench' },
  authSource: 'HOSTED',
  connect: {
    methods: [
      {
        id: 'apiKey',
        label: 'Key',
        fields: defineFields(z.object({ apiKey: z.string().meta({ title: 'Key', secret: true }) })),
        verify: async () => ({ identity: { id: 'ada', label: 'ada@example.com' } }),
      },
    ],
  },
  cloneForRun: (io, connectionKey) => ({
    ...service,
    ping: (key: string) => io.runTask(key, () => true, { connectionKey }),
  }),
  ping: () => Promise.reject(new Error('not in a run')),
}

/** A secret key with every scope, and how the server is told of it. */
export function createKey(): { key: string; secretKeys: string } {
  const key = `ctk_sk_${randomText(43)}`
  const hash = createHash('sha256').update(key).digest('hex')
  return { key, secretKeys: `bench=connect:create+auth:read+connections:write+jobs:write=${hash}` }
}

/** A folder that is removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'authflow-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The client under measurement. */
export function createBenchClient(options: {
  baseUrl: string
  store: string
  secretKeys: string
  encryptionKeys?: string
  queue?: string
  metrics?: true
}) {
  return new AuthFlow({
    environment: 'bench',
    encryptionKeys: `k1:${randomBytes(32).toString('base64')}`,
    integrations: [service],
    logger: silent,
    ...options,
  })
}

const nothing = (): void => {}
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing }

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkImports } from './check-imports.ts'

/** Problems of one file that holds the given source, without the file and line. */
const problemsOf = (file: string, source: string): string[] =>
  checkImports(new Map([[file, source]])).map((problem) => problem.replace(/^\S+ /, ''))

describe('checkImports', () => {
  const allowed: readonly (readonly [string, string])[] = [
    [
      'ui/flow/machine.ts',
      `import { createFlowId } from '../../shared/ids.ts'\nimport { LitElement } from 'lit'`,
    ],
    ['ui/client.ts', `import type { ConnectRouter } from '../server/http/connect-router.ts'`],
    ['server/http/app.ts', `import Koa from 'koa'\nimport type { Connect } from '../connect/connect.ts'`],
    [
      'server/jobs/engine.ts',
      `import { defineSet } from '../store/store.ts'\nimport type { Queue } from '../queue/queue.ts'`,
    ],
    ['server/jobs/io.ts', `import type { Integration } from '../integrations/integration.ts'`],
    ['server/store/mongo.ts', `import { MongoClient } from 'mongodb'`],
    ['server/vault/envelope.ts', `import { createCipheriv } from 'node:crypto'`],
    ['server/oauth/state.ts', `import { createHash, timingSafeEqual } from 'node:crypto'`],
    [
      'server/integrations/slack.ts',
      `import { WebClient } from '@slack/web-api'\nimport type { IO } from '../jobs/job.ts'`,
    ],
    [
      'server/authflow.ts',
      `import { createApp } from './http/app.ts'\nimport { openStore } from './store/open-store.ts'`,
    ],
    [
      'server/store/sqlite.test.ts',
      `import { AuthFlow } from '../authflow.ts'\nimport { startSandbox } from '../sandbox/index.ts'`,
    ],
    [
      'demo/main.ts',
      `import { startSandbox } from '../server/sandbox/index.ts'\nimport { createServer } from 'vite'`,
    ],
  ]
  for (const [file, source] of allowed) {
    it(`lets ${file} import ${source.split('\n').length} allowed modules`, () => {
      assert.deepEqual(problemsOf(file, source), [])
    })
  }

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['shared/ids.ts', `import { randomBytes } from 'node:crypto'`, /no Node built-in/],
    ['shared/fields.ts', `import { z } from 'zod'`, /no package/],
    ['shared/flow.ts', `export type { X } from '../server/authflow.ts'`, /nothing of ours/],
    ['ui/client.ts', `import { router } from '../server/http/connect-router.ts'`, /type ConnectRouter/],
    [
      'ui/elements/auth-form.ts',
      `import type { FieldSet } from '../../server/integrations/integration.ts'`,
      /only shared/,
    ],
    ['ui/elements/auth-form.ts', `const z = await import('zod')`, /browser bundle/],
    ['ui/elements/auth-form.ts', `import { join } from 'node:path'`, /no Node built-ins/],
    ['server/store/sqlite.ts', `import { createVault } from '../vault/create-vault.ts'`, /never import back/],
    ['server/connect/flows.ts', `import type { JobEngine } from '../jobs/engine.ts'`, /never import back/],
    ['server/vault/vault.ts', `export { add } from '../queue/queue.ts'`, /never import back/],
    ['server/jobs/io.ts', `type X = import('../http/app.ts').X`, /never import back/],
    ['server/jobs/io.ts', `import { Slack } from '../integrations/slack.ts'`, /by integration.ts/],
    ['server/jobs/io.ts', `import { AuthFlow } from '../authflow.ts'`, /root files/],
    ['server/net/guard.ts', `import type { Store } from '../store/store.ts'`, /net imports only shared/],
    ['server/integrations/slack.ts', `import { runTask } from '../jobs/task.ts'`, /integrations import only/],
    ['server/integrations/slack.ts', `import { job } from '../jobs/job.ts'`, /integrations import only/],
    ['server/integrations/field-set.ts', `import { Slack } from './slack.ts'`, /import no provider/],
    ['server/connect/flows.ts', `import { startSandbox } from '../sandbox/index.ts'`, /sandbox/],
    ['server/connect/flows.ts', `import Koa from 'koa'`, /only server\/http imports Koa/],
    ['server/queue/store-queue.ts', `import { MongoClient } from 'mongodb'`, /database drivers/],
    ['server/jobs/io.ts', `import { WebClient } from '@slack/web-api'`, /provider SDKs/],
    ['server/oauth/state.ts', `import { createCipheriv } from 'node:crypto'`, /ciphers/],
    ['server/oauth/state.ts', `import crypto from 'node:crypto'`, /ciphers/],
    ['server/oauth/state.ts', `import * as crypto from 'node:crypto'`, /ciphers/],
    ['server/http/app.ts', `import { page } from '../../demo/page.ts'`, /nothing imports demo/],
    ['server/http/app.ts', `import { sample } from './app.test.ts'`, /imports a test/],
    ['scripts/check.ts', `import { main } from '../demo/main.ts'`, /nothing imports the demo/],
  ]
  for (const [file, source, expected] of refused) {
    it(`refuses in ${file}: ${source}`, () => {
      const problems = problemsOf(file, source)
      assert.equal(problems.length, 1)
      assert.match(problems[0] ?? '', expected)
    })
  }

  it('names the line', () => {
    const [problem] = checkImports(new Map([['shared/ids.ts', `// ids\n\nimport 'node:fs'\n`]]))
    assert.match(problem ?? '', /^shared\/ids\.ts:3 node:fs: /)
  })

  it('finds cycles of imports that exist at run time, and no others', () => {
    const files = (kind: string): Map<string, string> =>
      new Map([
        ['shared/a.ts', `import { b } from './b.ts'`],
        ['shared/b.ts', `import { c } from './c.ts'`],
        ['shared/c.ts', `import ${kind}{ a } from './a.ts'`],
      ])
    assert.deepEqual(checkImports(files('type ')), [])
    assert.match(
      checkImports(files('')).join(),
      /import cycle: shared\/a\.ts → shared\/b\.ts → shared\/c\.ts → shared\/a\.ts/,
    )
  })

  it('refuses a source that cannot be parsed', () => {
    assert.throws(() => checkImports(new Map([['shared/a.ts', 'import {']])), SyntaxError)
  })
})

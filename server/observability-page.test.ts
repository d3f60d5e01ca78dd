// docs/observability.md says what there is: every metric, every fact of a log line, and examples that run.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { readBlocks } from '../scripts/readme-blocks.ts'
import { root } from '../scripts/source-files.ts'
import { withEnvironment } from './fixtures/with-environment.ts'
import { encryptionKeys } from './http/fixtures/test-server.ts'
import type { RunFacts } from './jobs/run-facts.ts'
import { createMetrics } from './metrics.ts'

let page = ''
let directory = ''
before(async () => {
  page = await readFile(join(root, 'docs/observability.md'), 'utf8')
  const cache = join(root, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  directory = await mkdtemp(join(cache, 'observability-'))
})
after(() => rm(directory, { recursive: true, force: true }))

async function load(name: string): Promise<Record<string, unknown>> {
  const block = readBlocks(page).find((one) => one.name === name)
  assert(block, name)
  const file = join(directory, name)
  await writeFile(file, block.text.replaceAll("'authflow'", JSON.stringify(join(root, 'server/index.ts'))))
  return import(pathToFileURL(file).href)
}

const section = (title: string): string => page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? ''

describe('docs/observability.md', () => {
  it('lists every metric with its labels, and no other', async () => {
    const { text } = await (await createMetrics()).read()
    const own = [...text.matchAll(/^# TYPE (authflow_\w+) (\w+)$/gm)].map(
      ([, name, kind]) => `${name} ${kind}`,
    )
    const rows = [...section('Metrics').matchAll(/^\| `(authflow_\w+)(?:\{[\w,]+\})?`\s*\| (\w+)/gm)]
    assert.deepEqual(rows.map(([, name, kind]) => `${name} ${kind}`).toSorted(), own.toSorted())
    assert(own.length > 15)
  })

  it('names only metrics that there are in its rules and queries', async () => {
    const { text } = await (await createMetrics()).read()
    const known = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name))
    for (const [name] of page.matchAll(/\b(?:authflow|nodejs|process)_[a-z0-9_]*[a-z0-9]\b/g)) {
      const base = name.replace(/_(?:bucket|sum|count)$/, '')
      assert(known.has(name) || known.has(base), name)
    }
  })

  it('lists every fact that a line says of its run', () => {
    const facts: Required<RunFacts> = {
      run: '',
      job: '',
      version: '',
      account: '',
      execution: 1,
      task: '',
      attempt: 1,
    }
    for (const name of Object.keys(facts)) assert.match(section('Logs'), new RegExp(`^\\| \`${name}\` `, 'm'))
  })

  it('has a log of the host’s own that knows the run', async () => {
    const { log } = await load('log.ts')
    assert(typeof log === 'object' && log !== null && 'info' in log)
  })

  it('has a server that starts with all of it', async () => {
    const values = {
      BASE_URL: 'http://localhost:1',
      STORE_URL: `sqlite:${join(directory, 'page.db')}`,
      AUTHFLOW_ENCRYPTION_KEYS: encryptionKeys,
      METRICS_TOKEN: 'm'.repeat(32),
    }
    await withEnvironment(values, async () => {
      const { client } = await load('server.ts')
      const methodOf = (name: 'start' | 'close'): (() => unknown) => {
        const method: unknown = Object(client)[name]
        assert(typeof method === 'function', name)
        return () => Reflect.apply(method, client, [])
      }
      await methodOf('start')()
      await methodOf('close')()
    })
  })
})

// The tracer that docs/observability.md registers, as it stands there, and what a collector gets from it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { z } from 'zod'
import { startTestServer } from '../server/http/fixtures/test-server.ts'
import { eventTrigger } from '../server/triggers/event-trigger.ts'
import { readBlocks } from '../scripts/readme-blocks.ts'
import { root } from '../scripts/source-files.ts'

/** What the exporter sends, as far as it is looked at. */
const traces = z.object({
  resourceSpans: z.array(
    z.object({
      scopeSpans: z.array(
        z.object({
          scope: z.object({ name: z.string() }),
          spans: z.array(z.object({ name: z.string(), traceId: z.string() })),
        }),
      ),
    }),
  ),
})

async function loadInstrumentation(directory: string): Promise<BasicTracerProvider> {
  const page = await readFile(join(root, 'docs/observability.md'), 'utf8')
  const block = readBlocks(page).find(({ name }) => name === 'instrumentation.ts')
  assert(block)
  const file = join(directory, 'instrumentation.ts')
  await writeFile(file, block.text)
  const loaded: { provider: BasicTracerProvider } = await import(pathToFileURL(file).href)
  return loaded.provider
}

describe('docs/observability.md', () => {
  it('has a tracer that sends the spans of a run to a collector', async () => {
    const cache = join(import.meta.dirname, 'node_modules/.cache')
    await mkdir(cache, { recursive: true })
    const directory = await mkdtemp(join(cache, 'observability-'))
    const bodies: string[] = []
    const collector = createServer(async (req, res) => {
      bodies.push(await text(req))
      assert.equal(req.url, '/v1/traces')
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
    await once(collector.listen(0, '127.0.0.1'), 'listening')
    const address = collector.address()
    assert(typeof address === 'object' && address !== null)
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${address.port}`
    const provider = await loadInstrumentation(directory)
    const server = await startTestServer({ options: { worker: true, tracing: true } })
    try {
      let isOver = (): void => undefined
      const over = new Promise<void>((resolve) => (isOver = resolve))
      server.client.defineJob({
        id: 'seen',
        name: 'Seen',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'seen' }),
        run: async (_, io) => {
          await io.runTask('look', () => 1)
        },
        onSuccess: () => isOver(),
      })
      await server.client.sendEvent({ name: 'seen', payload: null })
      await over
      await server.client.close()
      await provider.forceFlush()
      const sent = bodies
        .flatMap((body) => traces.parse(JSON.parse(body)).resourceSpans)
        .flatMap(({ scopeSpans }) => scopeSpans)
      assert.deepEqual([...new Set(sent.map(({ scope }) => scope.name))], ['authflow'])
      const spans = sent.flatMap((one) => one.spans)
      assert.deepEqual(spans.map(({ name }) => name).toSorted(), ['run seen', 'send seen', 'task look'])
      assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1)
    } finally {
      await server.close()
      await provider.shutdown()
      collector.closeAllConnections()
      collector.close()
      await rm(directory, { recursive: true, force: true })
    }
  })
})

// What the site's examples talk to: every integration that they name is there, with tokens for the page.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { findFreePorts } from '../demo/e2e/demo-process.ts'
import { startDocsSandbox } from './docs-sandbox.ts'
import { listFiles, root } from './source-files.ts'

const siteUrl = 'http://localhost:5173'
const sandbox = await startDocsSandbox({ port: await findFreePorts(), siteUrl })
after(() => sandbox.close())

const examples = listFiles(['docs/examples'], ['.html']).map((file) => readFileSync(join(root, file), 'utf8'))
const integrations = new Set(
  examples.flatMap((page) =>
    [...page.matchAll(/integrations?="([^"]+)"/g)].flatMap(([, names = '']) => names.split(' ')),
  ),
)

it('describes every integration of the examples, and lists its connections by a token', async () => {
  assert.ok(integrations.size >= 3)
  for (const integration of integrations) {
    const headers = { 'content-type': 'application/json', origin: siteUrl }
    const query = new URLSearchParams({ integrations: integration, purpose: 'manage' })
    const minted = await fetch(`${sandbox.endpoint}/connect-token?${query}`, { method: 'POST' })
    assert.equal(minted.status, 200, integration)
    const { token } = (await minted.json()) as { token: string }
    const listed = await fetch(`${sandbox.endpoint}/connect/trpc/connections.list`, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${token}` },
    })
    assert.equal(listed.status, 200, integration)
    assert.equal(listed.headers.get('access-control-allow-origin'), siteUrl)
    const input = encodeURIComponent(JSON.stringify({ integration }))
    const described = await fetch(`${sandbox.endpoint}/connect/trpc/integrations.describe?input=${input}`)
    assert.match(await described.text(), new RegExp(`"id":"${integration}"`))
  }
})

it('knows the visitor again by the cookie, and nobody without one', async () => {
  const ask = async (cookie?: string): Promise<string> => {
    const headers = cookie === undefined ? {} : { cookie }
    const url = `${sandbox.endpoint}/connect-token?integrations=slack`
    return (await fetch(url, { method: 'POST', headers })).headers.get('set-cookie')?.split(';')[0] ?? ''
  }
  const first = await ask()
  assert.match(first, /^visitor=[\w-]{22}$/)
  assert.equal(await ask(first), first)
  assert.notEqual(await ask(), first)
})

it('refuses a port that is taken', async () => {
  const { port } = new URL(sandbox.endpoint)
  await assert.rejects(startDocsSandbox({ port: Number(port), siteUrl }), { code: 'EADDRINUSE' })
})

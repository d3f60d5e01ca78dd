// Runs the example of docs/hosted.md as a host's own server, and goes the way of its customers.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { readBlocks } from '../../scripts/readme-blocks.ts'
import { root } from '../../scripts/source-files.ts'
import { listen, type Listening } from '../oauth/fixtures/listen.ts'
import { Jar } from './fixtures/connect-pages.ts'
import { bundlePageScript } from './fixtures/page-files.ts'
import { secretKeys, startTestServer, type TestServer } from './fixtures/test-server.ts'

const session = `export const accountOf = (req) => String(req.headers['x-account'] ?? 'nobody')`

describe('docs/hosted.md', () => {
  let server: TestServer
  let host: Listening
  let folders: string[] = []
  before(async () => {
    let app: RequestListener = () => undefined
    host = await listen(() => (req, res) => app(req, res))
    const { folder, script } = await bundlePageScript()
    server = await startTestServer({ options: { connectPages: { origins: [host.origin], script } } })
    const results = join(root, 'test-results')
    await mkdir(results, { recursive: true })
    // Inside of the repository, where its packages are found.
    const project = await mkdtemp(join(results, 'hosted-'))
    folders = [folder, project]
    const page = await readFile(join(root, 'docs/hosted.md'), 'utf8')
    const example = readBlocks(page).find(({ name }) => name === 'hosted.ts')?.text ?? assert.fail()
    const client = pathToFileURL(join(root, 'server/client.ts')).href
    const source = example
      .replaceAll('https://app.example.com', host.origin)
      .replace("'authflow/client'", JSON.stringify(client))
    await writeFile(join(project, 'hosted.ts'), source)
    await writeFile(join(project, 'session.ts'), session)
    await writeFile(join(project, 'package.json'), '{"type":"module"}')
    Object.assign(process.env, { AUTHFLOW_BASE_URL: server.url, AUTHFLOW_SECRET_KEY: secretKeys.create })
    app = (await import(pathToFileURL(join(project, 'hosted.ts')).href)).app
  })
  after(async () => {
    await server.close()
    await host.close()
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  })

  it('leads from one route of the host to the page, and nobody else there', async () => {
    const jar = new Jar()
    let url = `${host.origin}/integrations`
    const headers = { 'x-account': 'ada' }
    const hops: number[] = []
    for (;;) {
      const response = await jar.visit(url, { headers })
      hops.push(response.status)
      if (response.status !== 303) break
      url = response.headers.get('location') ?? ''
    }
    assert.deepEqual(hops, [303, 303, 303, 303, 200])
    assert.match(new URL(url).pathname, /\/connect\/page\/[\w-]{43}$/)
    const html = await (await jar.visit(url)).text()
    assert.match(html, /<auth-flow integration="slack-customers"/)
    assert.match(html, new RegExp(`href="${host.origin}/settings"`))
    assert.equal((await new Jar().visit(url)).status, 403)
  })

  it('does not let another account through', async () => {
    const jar = new Jar()
    const made = await jar.visit(`${host.origin}/integrations`, { headers: { 'x-account': 'ada' } })
    const opened = await jar.visit(made.headers.get('location') ?? '')
    const asked = opened.headers.get('location') ?? ''
    const refused = await jar.visit(asked, { headers: { 'x-account': 'grace' } })
    assert.equal(refused.headers.get('location'), null)
    assert.ok(refused.status >= 400)
    assert.equal((await jar.visit(asked, { headers: { 'x-account': 'ada' } })).status, 303)
  })
})

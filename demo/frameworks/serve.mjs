// Serves one of the apps beside this file, in development, with an authflow server and a stand-in Slack of its own:
//
//   npm pack && mv authflow-*.tgz demo/frameworks/authflow.tgz     in the repository, once
//   npm install && npm run dev                                     in the app's folder
//
// Apps with `src/entry-server` are rendered here and hydrated in the browser; the others are rendered there.

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// The packages are the app's, as they would be an outsider's.
const app = process.cwd()
const { resolve } = createRequire(join(app, 'package.json'))
const load = (name) => import(pathToFileURL(resolve(name)))
const { createServer: createVite } = await load('vite')
const { AuthFlow } = await load('authflow')
const { createClient } = await load('authflow/client')
const { Slack } = await load('authflow/integrations/slack')
const { startSandbox } = await load('authflow/testing')

const listen = (server, port = 0) =>
  new Promise((done) => server.listen(port, '127.0.0.1', () => done(server.address().port)))

// The port must be known before the provider hears of the callback.
const probe = createServer()
const connectPort = await listen(probe)
await new Promise((done) => probe.close(done))
const endpoint = `http://localhost:${connectPort}`

const ids = ['slack', 'slack-hook']
const sandbox = await startSandbox({ redirectUris: ids.map((id) => `${endpoint}/callback/${id}`) })
const secretKey = `ctk_sk_${randomBytes(32).toString('base64url')}`
const authflow = new AuthFlow({
  environment: 'frameworks',
  baseUrl: endpoint,
  store: `sqlite:${join(mkdtempSync(join(tmpdir(), 'authflow-')), 'app.db')}`,
  encryptionKeys: `k1:${randomBytes(32).toString('base64')}`,
  secretKeys: `app=connect:create+connections:write=${createHash('sha256').update(secretKey).digest('hex')}`,
  // The second is connected without elements.
  integrations: ids.map(
    (id) =>
      new Slack({
        id,
        connect: true,
        oauth: { ...sandbox.slack.client, scopes: ['chat:write'] },
        endpoints: sandbox.slack.endpoints,
      }),
  ),
  worker: false,
})
await authflow.listen(connectPort)
const client = createClient({ url: endpoint, secretKey })

const server = createServer()
const vite = await createVite({
  appType: 'custom',
  define: { __ENDPOINT__: JSON.stringify(endpoint) },
  server: { middlewareMode: true, hmr: { server } },
})
const entry = ['tsx', 'ts'].map((ending) => join(app, `src/entry-server.${ending}`)).find(existsSync)

async function handle(request, response) {
  if (request.url === '/connect-token') {
    let body = ''
    for await (const chunk of request) body += chunk
    const { integrations, purpose } = JSON.parse(body)
    const origins = [`http://${request.headers.host}`]
    const token = await client.connectTokens.create({ accountId: 'demo', integrations, origins, purpose })
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(token))
  }
  const template = readFileSync(join(app, 'index.html'), 'utf8')
  const page = await vite.transformIndexHtml('/', template)
  const content = entry ? await (await vite.ssrLoadModule(entry)).render() : ''
  response
    .setHeader('content-type', 'text/html; charset=utf-8')
    .end(page.replace('<!--app-->', () => content))
}

server.on('request', (request, response) => {
  vite.middlewares(request, response, () =>
    handle(request, response).catch((error) => {
      vite.ssrFixStacktrace(error)
      console.error(error)
      response.writeHead(500).end('failed')
    }),
  )
})
const port = await listen(server, Number(process.env.PORT ?? 0))
console.log(`http://localhost:${port}`)

const stop = async () => {
  server.closeAllConnections()
  server.close()
  await vite.close()
  await authflow.close()
  await sandbox.close()
  process.exit(0)
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)

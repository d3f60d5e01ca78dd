// `npm run demo`: the whole product in one process and one command. Stand-in providers on ports of their own, the
// product with authflow mounted in it, and a second site that uses the same server from another origin.

import { createHash, randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildCdn } from '../scripts/cdn.ts'
import { isAuthFlowError } from '../shared/errors.ts'
import { startSandbox, type Sandbox } from '../server/sandbox/sandbox.ts'
import { createActivity } from './activity.ts'
import { createDemoApp } from './app.ts'
import { createDemoClient } from './client.ts'
import { defineJobs } from './jobs.ts'
import { readOrCreateKeyFile } from './key-file.ts'
import { listenOnLoopback } from './listen.ts'
import { readOptions, type DemoOptions } from './options.ts'
import { buildPages } from './page-files.ts'
import { createSite } from './site.ts'

const drainMs = 25_000

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env)
  const keyFile = join(options.dataDirectory, 'encryption-key')
  const { keys, created } = await readOrCreateKeyFile(keyFile)
  if (created)
    console.log(
      `Made an encryption key in ${keyFile} (mode 0600). Whoever has it can read the demo's credentials.`,
    )

  const standIns = Object.keys(options.apps).length === 0
  const cdn = resolve(options.dataDirectory, 'cdn')
  const [sandbox, pages] = await Promise.all([
    standIns ? startStandIns(options) : undefined,
    buildPages(),
    buildCdn(cdn),
  ])
  const siteKey = `ctk_sk_${randomBytes(32).toString('base64url')}`
  const keyHash = createHash('sha256').update(siteKey).digest('hex')
  const demo = createDemoClient({
    options,
    encryptionKeys: keys,
    secretKeys: `site=connect:create=${keyHash}`,
    sandbox,
    pageScript: pathToFileURL(join(cdn, 'connect-page.js')),
  })
  defineJobs(demo)
  await demo.client.start()

  const siteUrl = standIns ? siteUrlOf(options) : undefined
  const app = createDemoApp({ options, demo, pages, activity: createActivity(demo, sandbox), siteUrl })
  const servers: Server[] = []
  servers.push(...(await listenOnLoopback(() => createServer(app.callback()), options.port, 'the demo')))
  if (siteUrl) {
    const site = createSite({ endpoint: options.baseUrl, secretKey: siteKey, siteUrl, pages })
    servers.push(
      ...(await listenOnLoopback(() => createServer(site.callback()), options.port + 5, 'the second site')),
    )
  }
  report(options, sandbox, siteUrl)
  stopOnSignal(async () => {
    for (const server of servers) server.close()
    await demo.client.close()
    for (const server of servers) server.closeAllConnections()
    await sandbox?.close()
  })
}

const siteUrlOf = (options: DemoOptions): string => `http://127.0.0.1:${options.port + 5}`

function startStandIns(options: DemoOptions): Promise<Sandbox> {
  const callback = (integration: string): string => `${options.baseUrl}/callback/${integration}`
  return startSandbox({
    ports: {
      slack: options.port + 1,
      github: options.port + 2,
      airtable: options.port + 3,
      shopify: options.port + 4,
    },
    stateFile: join(options.dataDirectory, 'stand-ins.json'),
    redirectUris: ['slack-customers', 'github-customers', 'airtable-customers', 'shopify-customers'].map(
      callback,
    ),
    accessTokenLifetimeSeconds: options.tokenLifetimeSeconds,
  })
}

function report(options: DemoOptions, sandbox: Sandbox | undefined, siteUrl: string | undefined): void {
  const lines = [`authflow demo: ${options.baseUrl}`]
  if (sandbox) {
    for (const name of ['slack', 'github', 'airtable', 'shopify'] as const) {
      lines.push(`  stand-in ${name.padEnd(9)} ${sandbox[name].url}`)
    }
  }
  if (siteUrl) lines.push(`  a customer's site  ${siteUrl}`)
  lines.push('Stop with Ctrl+C.')
  console.log(lines.join('\n'))
}

function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false
  const handle = (): void => {
    if (stopping) process.exit(1)
    stopping = true
    setTimeout(() => process.exit(1), drainMs + 1000).unref()
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', handle)
  process.on('SIGTERM', handle)
}

main().catch((error: unknown) => {
  const hint = isAuthFlowError(error) && error.code === 'port_in_use' ? ' --port moves all of the demo.' : ''
  if (isAuthFlowError(error)) console.error(`${error.code}: ${error.message}${hint}`)
  else console.error(error)
  process.exit(1)
})

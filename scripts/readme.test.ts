import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { WebClient } from '@slack/web-api'
import { createClient } from '../server/client.ts'
import { callPublic, dig, locationOf, postStart } from '../server/http/fixtures/test-server.ts'
import { startSandbox } from '../server/sandbox/index.ts'
import { randomText } from '../shared/ids.ts'
import { runCommand } from './command.ts'
import { readManifest } from './public-entries.ts'
import { readmeBlocks } from './readme-blocks.ts'
import { createReadmeProject, type ReadmeProject } from './readme-project.ts'
import { root } from './source-files.ts'

/** Variables that the README's key script prints. */
async function makeKeys(project: ReadmeProject): Promise<Record<string, string>> {
  const { output } = await runCommand(process.execPath, ['--import', 'tsx', 'keys.ts'], {
    cwd: project.directory,
  })
  return Object.fromEntries(
    [...output.matchAll(/^(AUTHFLOW_\w+)=(.+)$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

/** Starts a module of the project and waits until `check` gives something. */
async function start<T>(
  project: ReadmeProject,
  module: string,
  options: { env: Record<string, string>; check: () => Promise<T | undefined> },
): Promise<{ value: T; stop: () => Promise<number | null> }> {
  const child = spawn(process.execPath, ['--import', 'tsx', module], {
    cwd: project.directory,
    env: { ...process.env, ...options.env, TSX_TSCONFIG_PATH: project.config },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const gone = once(child, 'exit')
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await gone
    clearTimeout(timer)
    return child.exitCode
  }
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline && child.exitCode === null) {
    const value = await options.check().catch(() => undefined)
    if (value !== undefined) return { value, stop }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await stop()
  throw new Error(`${module} did not start:\n${output}`)
}

const answers = (url: string) => async (): Promise<true | undefined> =>
  (await fetch(url)).ok ? true : undefined

async function slackToken(url: string, env: Readonly<Record<string, string>>): Promise<string> {
  const authflow = createClient({ url, secretKey: env['AUTHFLOW_SECRET_KEY'] })
  const auth = await authflow.getAuth({ id: 'slack-customers', accountId: '456' })
  assert.ok(auth.type === 'oauth2')
  return auth.accessToken
}

describe('README.md', () => {
  let project: ReadmeProject
  let env: Record<string, string>
  let url: string

  before(async () => {
    project = createReadmeProject()
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    env = {
      ...(await makeKeys(project)),
      AUTHFLOW_BASE_URL: url,
      SLACK_CLIENT_ID: 'client',
      SLACK_CLIENT_SECRET: 'secret',
      PORT: String(port),
    }
  })
  after(() => project.remove())

  it('has examples that compile', async () => {
    assert.deepEqual(await project.typeCheck(), [])
  })

  it('names scripts that exist', () => {
    const { scripts } = readManifest()
    const commands = readmeBlocks()
      .filter(({ language, name }) => language === 'sh' && name === undefined)
      .flatMap(({ text }) => text.trim().split('\n'))
    assert.ok(commands.length > 0)
    for (const command of commands) {
      const name = /^npm run ([\w:]+)/.exec(command)?.[1]
      assert.ok(command === 'npm install' || (name !== undefined && Object.hasOwn(scripts, name)), command)
    }
  })

  it('starts its server in a project of one’s own, with packages and files that it names', () => {
    const { name, version, ...manifest } = readManifest()
    const known = new Set(
      [manifest.dependencies, manifest.devDependencies, manifest.peerDependencies].flatMap(Object.keys),
    )
    known.add(`./${name}-${version}.tgz`)
    const files = new Set(readmeBlocks().map((block) => block.name))
    const [project] = readmeBlocks().filter((block) => block.name === 'your-project')
    const commands = project?.text.trim().split('\n') ?? []
    for (const command of commands) {
      const installed = /^npm install (?:--save-dev )?(.+)/.exec(command)?.[1]?.split(' ') ?? []
      assert.deepEqual(
        installed.filter((item) => !known.has(item)),
        [],
        command,
      )
      const started = /^node .* ([\w-]+\.ts)$/.exec(command)?.[1]
      if (started) assert.ok(files.has(started), command)
    }
    assert.equal(commands.length, 4)
  })

  it('links to files that exist', () => {
    const text = readFileSync(join(root, 'README.md'), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = '']) => path)
    assert.ok(links.length > 0)
    for (const link of links) assert.ok(readFileSync(join(root, link)), link)
  })

  it('uses elements and attributes that exist', () => {
    const html = readmeBlocks()
      .filter(({ language }) => language === 'html')
      .map(({ text }) => text)
      .join('')
    const tags = [...html.matchAll(/<(auth-[a-z]+)([^>]*)>/g)]
    assert.ok(tags.length > 0)
    for (const [, tag = '', attributes = ''] of tags) {
      assert.match(
        readFileSync(join(root, 'ui/define', `${tag}.ts`), 'utf8'),
        new RegExp(`define\\('${tag}'`),
      )
      const documented = readFileSync(join(root, 'ui/elements', `${tag}.ts`), 'utf8').match(/@attr .*/g) ?? []
      for (const [, name = ''] of attributes.matchAll(/([a-z-]+)=/g)) {
        const known = documented.some((line) => line.split(/[ ,]+/).includes(name))
        assert.ok(name === 'class' || known, `${tag} ${name}`)
      }
    }
  })

  it('shows a server and a backend that work together', async () => {
    const port = await freePort()
    writeFileSync(
      join(project.directory, 'main.ts'),
      `import { app } from './backend.ts'\napp.listen(${port}, '127.0.0.1')\n`,
    )
    const server = await start(project, 'server.ts', { env, check: answers(`${url}/readyz`) })
    const post = (path: string, body: unknown): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-account': '123' },
        body: JSON.stringify(body),
      })
    const askForToken = async (): Promise<unknown> => {
      const response = await post('/my-backend/connect-token', {
        integrations: ['slack-customers'],
        purpose: 'create',
      })
      return response.ok ? response.json() : undefined
    }
    try {
      const backend = await start(project, 'main.ts', { env, check: askForToken })
      try {
        assert.match(JSON.stringify(backend.value), /"token":"ctk_ct_/)
        const runIds: unknown = await (
          await post('/my-backend/notify', { channel: 'C1', message: 'hello' })
        ).json()
        assert.ok(Array.isArray(runIds) && runIds.length === 1)
        const authflow = createClient({ url, secretKey: env['AUTHFLOW_SECRET_KEY'] })
        const { state } = await authflow.runs.get({ id: String(runIds[0]) })
        assert.ok(state === 'queued' || state === 'running' || state === 'waiting_for_connection', state)
        await assert.rejects(authflow.getAuth({ id: 'slack-customers', accountId: '123' }), {
          code: 'not_connected',
        })
      } finally {
        await backend.stop()
      }
    } finally {
      await server.stop()
    }
  })

  it('shows a backend that acts with the credentials of a connected account', async () => {
    const [port, serverPort] = [await freePort(), await freePort()]
    const own = `http://localhost:${serverPort}`
    const sandbox = await startSandbox({ redirectUris: [`${own}/callback/slack-customers`] })
    const { client, endpoints } = sandbox.slack
    // The stand-in's addresses are all that is changed.
    const connected = createReadmeProject((_, source) =>
      source
        .replace('connect: true,', `connect: true,\n  endpoints: ${JSON.stringify(endpoints)},`)
        .replace(
          'new WebClient(auth.accessToken)',
          `new WebClient(auth.accessToken, { slackApiUrl: '${endpoints.apiUrl}/' })`,
        ),
    )
    const more = {
      AUTHFLOW_BASE_URL: own,
      SLACK_CLIENT_ID: client.clientId,
      SLACK_CLIENT_SECRET: client.clientSecret,
      PORT: String(serverPort),
    }
    const settings = { ...env, ...more }
    writeFileSync(
      join(connected.directory, 'main.ts'),
      `import { app } from './backend.ts'\napp.listen(${port}, '127.0.0.1')\n`,
    )
    const backend = `http://127.0.0.1:${port}/my-backend`
    const mint = async (): Promise<string | undefined> => {
      const response = await fetch(`${backend}/connect-token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-account': '456' },
        body: JSON.stringify({ integrations: ['slack-customers'], purpose: 'create' }),
      })
      return response.ok ? String(dig(await response.json(), 'token')) : undefined
    }
    const stops: (() => Promise<unknown>)[] = [() => sandbox.close()]
    try {
      const server = await start(connected, 'server.ts', { env: settings, check: answers(`${own}/readyz`) })
      stops.push(server.stop)
      const { value: token, stop } = await start(connected, 'main.ts', { env: settings, check: mint })
      stops.push(stop)
      const flowId = randomText(22)
      await callPublic({ url: own }, 'flows.begin', {
        token,
        input: { flowId, integration: 'slack-customers' },
      })
      const started = await postStart({ url: own }, { token, flow: flowId, mode: 'popup' })
      const [cookie = ''] = started.headers.getSetCookie()
      const callback = await sandbox.slack.consent(locationOf(await started.text()))
      const done = await fetch(callback, { headers: { cookie: cookie.split(';', 1)[0] ?? '' } })
      assert.match(await done.text(), /Connected to Slack/)
      const workspace = await fetch(`${backend}/workspace`, { headers: { 'x-account': '456' } })
      const { team } = await new WebClient(await slackToken(own, settings), {
        slackApiUrl: `${endpoints.apiUrl}/`,
      }).auth.test()
      assert.ok(typeof team === 'string' && team !== '')
      assert.deepEqual([workspace.status, await workspace.json()], [200, { team }])
    } finally {
      for (const stop of stops.toReversed()) await stop()
      connected.remove()
    }
  })

  it('shows links that are made, opened and confirmed', async () => {
    const port = await freePort()
    writeFileSync(
      join(project.directory, 'links-main.ts'),
      `import { app } from './links.ts'\napp.listen(${port}, '127.0.0.1')\n`,
    )
    const server = await start(project, 'server.ts', { env, check: answers(`${url}/readyz`) })
    const backend = `http://127.0.0.1:${port}`
    const makeLink = async (): Promise<string | undefined> => {
      const response = await fetch(`${backend}/my-backend/connect-link`, { method: 'POST' })
      const link: unknown = response.ok ? await response.json() : undefined
      return typeof link === 'object' && link !== null && 'url' in link ? String(link.url) : undefined
    }
    try {
      const links = await start(project, 'links-main.ts', { env, check: makeLink })
      try {
        const page = await (await fetch(links.value)).text()
        assert.match(page, /Connect Slack.*app\.example\.com asks you/s)
        const pressed = await fetch(links.value, { method: 'POST', headers: { origin: url } })
        assert.match(await pressed.text(), /https:\/\/slack\.com\/oauth\/v2\/authorize/)
        const [cookie = ''] = pressed.headers.getSetCookie()
        const flowId = /^authflow-([\w-]+)=/.exec(cookie)?.[1] ?? ''
        const confirm = async (id: string): Promise<unknown> => {
          const response = await fetch(`${backend}/connected?authflow_flow=${id}`)
          return [response.status, await response.json()]
        }
        // The user is at the provider still; and nobody is, of a flow that does not exist.
        assert.deepEqual(await confirm(flowId), [409, { error: 'flow_conflict' }])
        assert.deepEqual(await confirm('x'), [404, { error: 'flow_not_found' }])
      } finally {
        await links.stop()
      }
    } finally {
      await server.stop()
    }
  })

  for (const name of ['mount-koa.ts', 'mount-express.ts', 'mount-node.ts']) {
    it(`mounts the server as ${name} says`, async () => {
      const port = await freePort()
      const mounted = createReadmeProject((_, source) =>
        source.replace('4000', String(port)).replace(/^await client\.listen\(.*$/m, ''),
      )
      const base = `http://127.0.0.1:${port}`
      try {
        const mountEnv = { ...env, AUTHFLOW_BASE_URL: base }
        const server = await start(mounted, name, { env: mountEnv, check: answers(`${base}/readyz`) })
        try {
          assert.equal((await fetch(`${base}/elsewhere`)).status, 404)
        } finally {
          await server.stop()
        }
      } finally {
        mounted.remove()
      }
    })
  }
})

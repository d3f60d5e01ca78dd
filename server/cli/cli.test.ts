import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  accountOf,
  apiKeyOf,
  clientOf,
  environment,
  newKey,
  openGround,
  seedConnections,
} from '../fixtures/seeded-store.ts'
import { parseKeyRing } from '../vault/key-ring.ts'
import { account, startKms } from '../vault/fixtures/kms-server.ts'
import { countKeyUsage } from '../vault/key-usage.ts'
import { allSets } from '../sealed-sets.ts'
import { printed, runCli, type CliOptions } from './fixtures/run-cli.ts'

const [k1, k2, k3] = [newKey('k1'), newKey('k2'), newKey('k3')]
const seeded = 4000
let directory = ''
let url = ''
let serverUrl = ''
const server = createServer((_, res) => void res.end('{"status":"ok"}'))

/** Environment variables of a process with a ring. */
const withKeys = (...keys: string[]): Record<string, string> => ({
  AUTHFLOW_STORE: url,
  AUTHFLOW_ENVIRONMENT: environment,
  AUTHFLOW_ENCRYPTION_KEYS: keys.join(','),
})

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authflow-cli-'))
  url = `sqlite:${join(directory, 'test.db')}`
  await seedConnections(url, k1, seeded)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  serverUrl = `http://localhost:${address.port}`
  const source = fileURLToPath(new URL('..', import.meta.url))
  const config = [
    `import { AuthFlow } from '${source}authflow.ts'`,
    `import { keyIntegration } from '${source}fixtures/seeded-store.ts'`,
    `import { Slack } from '${source}integrations/slack.ts'`,
    `const slack = new Slack({ id: 'slack-customers', connect: true,`,
    `  oauth: { clientId: 'client-of-slack', clientSecret: 'canary-client-secret', scopes: ['chat:write'] } })`,
    `export const client = new AuthFlow({ environment: 'test', baseUrl: '${serverUrl}',`,
    `  store: '${url}', encryptionKeys: process.env.KEYS, integrations: [keyIntegration, slack] })`,
  ]
  await writeFile(join(directory, 'authflow.config.ts'), config.join('\n'))
  await mkdir(join(directory, 'elsewhere'))
})
after(async () => {
  server.close()
  await rm(directory, { recursive: true, force: true })
})

describe('authflow', () => {
  it('explains itself, and refuses what it does not know', async () => {
    const help = await runCli(['--help'])
    assert.equal(help.code, 0)
    assert.match(help.stdout, /keys[\s\S]*connections[\s\S]*tokens[\s\S]*doctor[\s\S]*Exit codes/)
    assert.match((await runCli(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
    const mistakes = [['nonsense'], ['keys', 'retire'], ['keys', 'rotate', '--wait', 'x'], ['--config']]
    const refused = await Promise.all(mistakes.map((args) => runCli(args, { env: withKeys(k1) })))
    for (const [index, wrong] of refused.entries()) {
      const args = mistakes[index] ?? []
      assert.equal(wrong.code, 2, args.join(' '))
      assert.notEqual(wrong.stderr, '')
      assert.equal(wrong.stdout, '')
    }
  })

  it('names what is missing in the configuration', async () => {
    const without = async (name: string, env: Record<string, string>) => {
      const { [name]: _, ...rest } = env
      const { code, stderr } = await runCli(['keys', 'list'], {
        env: rest,
        directory: join(directory, 'elsewhere'),
      })
      assert.equal(code, 2)
      assert.ok(stderr.includes(name), stderr)
    }
    const names = ['AUTHFLOW_STORE', 'AUTHFLOW_ENVIRONMENT', 'AUTHFLOW_ENCRYPTION_KEYS']
    await Promise.all(names.map((name) => without(name, withKeys(k1))))
    const wrong: [string, string, string, number][] = [
      ['AUTHFLOW_ENCRYPTION_KEYS', newKey('k1'), 'wrong_encryption_key', 1],
      ['AUTHFLOW_ENCRYPTION_KEYS', 'k1:short', 'invalid_encryption_key', 2],
      ['AUTHFLOW_STORE', 'postgres://user:canary-password@host/db', 'invalid_option', 2],
      ['AUTHFLOW_ENVIRONMENT', 'production', 'environment_mismatch', 1],
    ]
    const check = async ([name, value, expected, exitCode]: (typeof wrong)[number]): Promise<void> => {
      const { code, json, stderr } = await runCli(['--json', 'keys', 'list'], {
        env: { ...withKeys(k1), [name]: value },
        directory: join(directory, 'elsewhere'),
      })
      assert.equal(code, exitCode, stderr)
      const answer = json()
      assert.ok(typeof answer === 'object' && answer !== null && 'error' in answer)
      assert.equal(Reflect.get(Object(answer.error), 'code'), expected)
    }
    await Promise.all(wrong.map(check))
  })

  it('reads a client from a file, named or with a usual name, and says what is wrong with it', async () => {
    const found = await runCli(['keys', 'list'], { env: { KEYS: k1 }, directory })
    assert.match(found.stdout, /k1\s+writing/)
    const config = join(directory, 'authflow.config.ts')
    const elsewhere = { env: { KEYS: k1 }, directory: join(directory, 'elsewhere') }
    assert.equal((await runCli(['--config', config, 'keys', 'list'], elsewhere)).code, 0)
    await writeFile(join(directory, 'empty.mjs'), 'export const other = 1')
    await writeFile(join(directory, 'broken.mjs'), 'throw new Error("password=canary-broken-secret")')
    for (const [file, text] of [
      ['missing.mjs', /does not exist/],
      ['empty.mjs', /must export the AuthFlow client/],
      ['broken.mjs', /\[secret\]/],
    ] as const) {
      const wrong = await runCli(['--config', join(directory, file), 'keys', 'list'], elsewhere)
      assert.ok(wrong.code === 1 || wrong.code === 2)
      assert.match(wrong.stderr, text)
    }
  })
})

describe('authflow connections', () => {
  const json = async (...args: string[]) =>
    (await runCli(['--json', 'connections', ...args], { env: { KEYS: k1 }, directory })).json()

  it('lists them over pages, and shows one', async () => {
    const [list, one, shownAsJson, shown, unknown] = await Promise.all([
      runCli(['connections', 'list', '--limit', '250'], { env: withKeys(k1) }),
      json('list', '--account', accountOf(7)),
      json('show', 'keys', accountOf(7)),
      runCli(['connections', 'show', 'keys', accountOf(7)], { env: withKeys(k1) }),
      runCli(['connections', 'show', 'keys', 'nobody'], { env: withKeys(k1) }),
    ])
    assert.equal(list.stdout.trim().split('\n').length, 251)
    assert.match(list.stdout, /^ACCOUNT\s+INTEGRATION\s+STATE\s+CONNECTED AS/)
    assert.equal(Object(one).items.length, 1)
    assert.equal(Object(shownAsJson).state, 'active')
    assert.match(shown.stdout, /connected as\s+Somebody/)
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /not_connected/)
  })

  it('disconnects with --yes, where the integration is known', async () => {
    const args = ['connections', 'disconnect', 'keys', accountOf(3)]
    const config = { env: { KEYS: k1 }, directory }
    assert.equal((await runCli(args, config)).code, 2)
    const unable = await runCli([...args, '--yes'], {
      env: withKeys(k1),
      directory: join(directory, 'elsewhere'),
    })
    assert.equal(unable.code, 2)
    assert.match(unable.stderr, /--config/)
    assert.equal((await runCli([...args, '--yes'], config)).code, 0)
    assert.equal(Object(await json('show', 'keys', accountOf(3))).state, 'disconnected')
  })
})

describe('authflow tokens', () => {
  it('revokes one from standard input, or all of an account', async () => {
    const client = clientOf(url, k1)
    const mint = (accountId: string) =>
      client.connectTokens.create({ accountId, integrations: ['keys'], origins: ['https://app.example.com'] })
    const { token } = await mint('ada')
    await mint('ada')
    await mint('bob')
    await client.close()
    const run = (args: string[], options: CliOptions = {}) =>
      runCli(['--json', 'tokens', 'revoke', ...args], { env: withKeys(k1), ...options })
    assert.deepEqual((await run([], { input: `${token}\n` })).json(), { revoked: 1 })
    assert.deepEqual((await run([], { input: token })).json(), { revoked: 0 })
    assert.deepEqual((await run(['--account', 'ada'])).json(), { revoked: 1 })
    assert.equal((await run([])).code, 2)
  })
})

describe('authflow doctor', () => {
  const findings = async (options: CliOptions, ...args: string[]) => {
    const { json, code } = await runCli(['--json', 'doctor', ...args], options)
    const list: { check: string; status: string; message: string; mend?: string }[] = Object(json()).findings
    return { code, list, of: (check: string) => list.find((finding) => finding.check === check) }
  }

  it('finds nothing wrong with what works, and names every callback', async () => {
    const { code, list, of } = await findings({ env: { KEYS: k1 }, directory })
    assert.deepEqual(
      list.filter(({ status }) => status === 'fail' || status === 'warn'),
      [],
    )
    assert.equal(code, 0)
    assert.equal(of('server')?.status, 'ok')
    const callback = of('callback slack-customers')?.message
    assert.equal(callback, `register ${serverUrl}/callback/slack-customers for client client-of-slack`)
    assert.match(of('integration keys')?.message ?? '', /apiKey/)
  })

  it('says how to mend what does not', async () => {
    const elsewhere = { directory: join(directory, 'elsewhere') }
    const [wrongKey, nothing, noStore, production, text] = await Promise.all([
      findings({ env: withKeys(newKey('k1')), ...elsewhere }),
      findings({ env: {}, ...elsewhere }),
      findings({
        env: { ...withKeys(k1), AUTHFLOW_STORE: `sqlite:${join(directory, 'authflow.config.ts', 'x.db')}` },
        ...elsewhere,
      }),
      findings(
        { env: { ...withKeys(k1), AUTHFLOW_BASE_URL: serverUrl, NODE_ENV: 'production' }, ...elsewhere },
        '--offline',
      ),
      runCli(['doctor'], { env: withKeys(newKey('k1')), ...elsewhere }),
    ])
    assert.equal(wrongKey.code, 1)
    assert.equal(wrongKey.of('keys')?.status, 'fail')
    assert.match(wrongKey.of('keys')?.message ?? '', /wrong_encryption_key/)
    assert.equal(nothing.code, 1)
    assert.match(nothing.of('configuration')?.message ?? '', /AUTHFLOW_ENVIRONMENT/)
    assert.equal(noStore.of('store')?.status, 'fail')
    assert.equal(production.of('baseUrl')?.status, 'fail')
    assert.equal(production.of('server'), undefined)
    assert.match(text.stdout, /fail\s+keys[\s\S]*→ Look at encryptionKeys[\s\S]*1 wrong\./)
  })
})

describe('authflow keys', () => {
  it('generates keys that a ring takes', async () => {
    const { stdout, code } = await runCli(['keys', 'generate', '--id', 'k9'])
    assert.equal(code, 0)
    assert.deepEqual(parseKeyRing(stdout.trim()).kids, ['k9'])
    printed.splice(-2)
    assert.equal((await runCli(['keys', 'generate', '--id', 'not an id'])).code, 2)
  })

  it('stops a rotation at SIGINT, goes on with it, and retires the key when nothing is left', async () => {
    const env = withKeys(k2, k1)
    const stopped = await runCli(['--json', 'keys', 'rotate'], { env, interrupt: true })
    assert.equal(stopped.code, 130, stopped.stderr)
    assert.equal(Object(stopped.json()).outcome, 'stopped')
    const refused = await runCli(['keys', 'retire', 'k1'], { env })
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /in connections.*key_in_use/s)
    const listed = await runCli(['keys', 'list', '--count'], { env })
    assert.match(listed.stdout, /k1\s+reading\s+0\s+1\s+.*connections \d+/)

    const done = await runCli(['--json', 'keys', 'rotate'], { env })
    assert.equal(done.code, 0, done.stderr)
    const all = Object(stopped.json()).resealed + Object(done.json()).resealed
    // All but the disconnected one, and a few others such as the index key; nothing twice.
    assert.ok(all >= seeded - 1 && all < seeded + 10, `${all}`)
    assert.equal((await runCli(['keys', 'retire', 'k1'], { env })).code, 0)
    assert.equal((await runCli(['keys', 'list'], { env: withKeys(k2) })).code, 0)
    const { store } = await openGround(url, k2)
    const usage = await countKeyUsage(store, { sets: allSets })
    assert.deepEqual([...new Set(usage.map(({ kid }) => kid))], ['k2'])
    await store.close()
    const client = clientOf(url, k2)
    const auth = await client.getAuth({ id: 'keys', accountId: accountOf(17) })
    assert.equal(auth.type === 'apiKey' && auth.apiKey, apiKeyOf(17))
    await client.close()
  })

  it('wraps new and existing keys with AWS KMS, from which a store then opens', async (t) => {
    const kms = await startKms(['key-1'])
    t.after(kms.close)
    const aws = {
      AWS_REGION: account.region,
      AWS_ACCESS_KEY_ID: account.accessKeyId,
      AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
      AWS_ENDPOINT_URL_KMS: kms.origin,
      AUTHFLOW_KMS_KEY_ID: 'key-1',
    }
    const wrap = (...args: string[]) =>
      runCli(['keys', 'wrap', ...args, '--environment', environment], {
        env: { ...withKeys(k2, k1), ...aws },
      })
    const existing = await wrap('k2', '--existing')
    const made = await wrap('k3')
    assert.deepEqual([existing.code, made.code], [0, 0], existing.stderr + made.stderr)
    const { AUTHFLOW_ENCRYPTION_KEYS: _, ...env } = withKeys(k2)
    const wrapped = {
      ...env,
      ...aws,
      AUTHFLOW_BASE_URL: serverUrl,
      AUTHFLOW_KMS_KEYS: `${made.stdout.trim()},${existing.stdout.trim()}`,
    }
    const listed = await runCli(['keys', 'list'], { env: wrapped })
    assert.match(listed.stdout, /k3\s+writing[\s\S]*k2\s+reading/, listed.stderr)
    assert.equal((await wrap('k7', '--existing')).code, 2)
    const refused = await runCli(['keys', 'list'], { env: { ...wrapped, AUTHFLOW_ENVIRONMENT: 'other' } })
    assert.match(refused.stderr, /InvalidCiphertextException.*key_service_refused/)
  })

  it('has printed no secret in all of these runs', () => {
    const text = printed.join('\n')
    assert.ok(text.length > 10_000)
    const secrets = [k1, k2, k3].map((entry) => entry.slice(3, 30))
    for (const secret of [...secrets, 'canary', account.secretAccessKey]) {
      assert.ok(!text.includes(secret), `printed ${secret}`)
    }
  })
})

// Where a command gets its server from: a file that exports the client, or environment variables.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AuthFlowError } from '../../shared/errors.ts'
import { AuthFlow } from '../authflow.ts'
import type { IntegrationList } from '../server-api.ts'
import { awsKms } from '../vault/aws-kms.ts'
import type { KeyProvider } from '../vault/key-provider.ts'

/** A client as a command sees it. */
export type Client = AuthFlow<IntegrationList>

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Where a client comes from. */
export interface ConfigurationSource {
  /** Given with `--config`. */
  readonly config: string | undefined
  readonly env: Environment
  /** Where a path is relative to, and where a file is looked for when none is named. */
  readonly directory: string
}

/** A client that was found, not started. */
export interface Configured {
  readonly client: Client
  /** Path of the file, or `environment variables`. */
  readonly from: string
}

/** Looked for in this order where no file is named. */
const usualFiles = ['authflow.config.ts', 'authflow.config.mts', 'authflow.config.mjs', 'authflow.config.js']

/** Commands that only work on the store need no address of the server. */
const noBaseUrl = 'https://authflow.invalid'

/**
 * Finds the client: `--config`, else a file with a usual name in the working directory, else the environment variables.
 *
 * @throws {@link AuthFlowError} `missing_option`, `invalid_option` (a file that exports no client or can't be read) and
 *   what the constructor of the client throws
 */
export async function findClient(source: ConfigurationSource): Promise<Configured> {
  const { config, env, directory } = source
  const named = config === undefined ? undefined : resolve(directory, config)
  const path = named ?? usualFiles.map((name) => resolve(directory, name)).find((file) => existsSync(file))
  if (path === undefined) return { client: clientOf(env), from: 'environment variables' }
  if (!existsSync(path)) throw badConfig(`The file ${path} does not exist.`)
  const exported = await load(path)
  const client = Reflect.get(exported, 'client') ?? Reflect.get(exported, 'default')
  if (isClient(client)) return { client, from: path }
  throw badConfig(`${path} must export the AuthFlow client as \`client\` or as its default.`)
}

/** Two copies of the package have two classes, so it is told by what it can do. */
const isClient = (value: unknown): value is Client =>
  value instanceof AuthFlow ||
  (typeof value === 'object' && value !== null && 'keys' in value && 'inspect' in value && 'start' in value)

async function load(path: string): Promise<object> {
  const { href } = pathToFileURL(path)
  // Before the file is imported: the loader remembers one that failed.
  const unable =
    /\.m?ts$/.test(path) && !('typescript' in process.features) ? await registerTypeScript(path) : undefined
  try {
    return (await import(href)) as object
  } catch (cause) {
    throw unable && isUnknownExtension(cause) ? unable : cause
  }
}

const isUnknownExtension = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && cause.code === 'ERR_UNKNOWN_FILE_EXTENSION'

/** Node from 22.18 on reads TypeScript itself; before that the project's own tsx does. Gives what to say without it. */
async function registerTypeScript(path: string): Promise<AuthFlowError | undefined> {
  try {
    // By its manifest: `require` resolves to the entry for CommonJS, which can not be imported.
    const manifestPath = createRequire(path).resolve('tsx/package.json')
    const manifest: unknown = JSON.parse(readFileSync(manifestPath, 'utf8'))
    const entry = dig(manifest, 'exports', './esm/api', 'import', 'default')
    const { register } = (await import(pathToFileURL(join(dirname(manifestPath), String(entry))).href)) as {
      register: () => unknown
    }
    register()
    return undefined
  } catch (cause) {
    return new AuthFlowError(
      'missing_peer',
      `${path} is TypeScript, which this Node does not read. Run \`npm install --save-dev tsx\`, or write the file as .mjs.`,
      { cause },
    )
  }
}

const dig = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (inner, name) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, name) : undefined),
    value,
  )

/**
 * A client without integrations, made of `AUTHFLOW_STORE`, `AUTHFLOW_ENVIRONMENT`, `AUTHFLOW_ENCRYPTION_KEYS` (or
 * `AUTHFLOW_KMS_KEYS` with `AUTHFLOW_KMS_KEY_ID` and the usual variables of AWS), `AUTHFLOW_BASE_URL`,
 * `AUTHFLOW_SECRET_KEYS`, `AUTHFLOW_QUEUE`.
 *
 * @throws {@link AuthFlowError} `missing_option` naming the variable, and what the constructor throws
 */
function clientOf(env: Environment): Client {
  const secretKeys = env['AUTHFLOW_SECRET_KEYS']
  const queue = env['AUTHFLOW_QUEUE']
  return new AuthFlow<IntegrationList>({
    environment: required(env, 'AUTHFLOW_ENVIRONMENT'),
    store: required(env, 'AUTHFLOW_STORE'),
    baseUrl: env['AUTHFLOW_BASE_URL'] ?? noBaseUrl,
    encryptionKeys: encryptionKeysOf(env),
    ...(secretKeys === undefined ? {} : { secretKeys }),
    ...(queue === undefined ? {} : { queue }),
    integrations: [],
    worker: false,
    log: 'warn',
  })
}

function encryptionKeysOf(env: Environment): string | KeyProvider {
  const wrappedKeys = env['AUTHFLOW_KMS_KEYS']
  return wrappedKeys === undefined ? required(env, 'AUTHFLOW_ENCRYPTION_KEYS') : kmsOf(env, wrappedKeys)
}

/** The provider that the environment variables of AWS lead to. */
export function kmsOf(env: Environment, wrappedKeys: string | undefined): ReturnType<typeof awsKms> {
  const endpoint = env['AWS_ENDPOINT_URL_KMS']
  return awsKms({
    wrappedKeys,
    region: env['AWS_REGION'] ?? required(env, 'AWS_DEFAULT_REGION', 'AWS_REGION'),
    keyId: required(env, 'AUTHFLOW_KMS_KEY_ID'),
    credentials: () => ({
      accessKeyId: required(env, 'AWS_ACCESS_KEY_ID'),
      secretAccessKey: required(env, 'AWS_SECRET_ACCESS_KEY'),
      sessionToken: env['AWS_SESSION_TOKEN'],
    }),
    ...(endpoint === undefined ? {} : { endpoint }),
  })
}

function required(env: Environment, name: string, shown = name): string {
  const value = env[name]
  if (value !== undefined && value !== '') return value
  throw new AuthFlowError(
    'missing_option',
    `The environment variable ${shown} is not set. Set it, or name a file that exports the client with --config.`,
    { details: { option: shown } },
  )
}

const badConfig = (message: string): AuthFlowError =>
  new AuthFlowError('invalid_option', message, { details: { option: '--config' } })

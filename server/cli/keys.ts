// authflow keys: making, rotating and retiring encryption keys.

import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { createGuardedFetch } from '../net/guarded-fetch.ts'
import { isLoopbackHost } from '../net/url-guard.ts'
import { createKeyRing, parseKeyEntries, type RootKey } from '../vault/key-ring.ts'
import type { KeyState } from '../vault/retire-key.ts'
import type { RotationProgress, RotationResult } from '../vault/rotate-keys.ts'
import { type CommandLine, wholeNumber } from './command.ts'
import { type Environment, kmsOf } from './configuration.ts'
import { exitCodes, type ExitCode, table, type Terminal, usageError } from './terminal.ts'

const keyBytes = 32
const longestWaitS = 24 * 3600
const defaultWaitS = 30

/** Adds `keys generate | list | rotate | retire | wrap`. */
export function keyCommands(program: Command, cli: CommandLine): void {
  const keys = program.command('keys').description('encryption keys: make, list, rotate, retire')
  addMaking(keys, cli)
  addListing(keys, cli)
  addRetiring(keys, cli)
}

function addMaking(keys: Command, cli: CommandLine): void {
  keys
    .command('generate')
    .description(
      'print a new key as an entry for AUTHFLOW_ENCRYPTION_KEYS; it is shown once and kept nowhere',
    )
    .option('--id <kid>', 'its id: 1 to 32 letters, digits, `_` and `-` (default: k and today)')
    .action(({ id }: { id?: string }) => cli.run(({ terminal }) => generate(terminal, id)))
  keys
    .command('wrap')
    .description('print a key wrapped by AWS KMS, as an entry for AUTHFLOW_KMS_KEYS')
    .argument('<kid>', 'its id')
    .requiredOption('--environment <name>', 'the server’s environment, which the key is bound to')
    .option('--existing', 'wrap the key of this id in AUTHFLOW_ENCRYPTION_KEYS instead of a new one')
    .action((kid: string, options: WrapOptions) =>
      cli.run(async ({ terminal, process: { env } }) => {
        const entry = await wrap(kid, options, env)
        terminal.result({ kid, entry }, entry)
      }),
    )
}

function addListing(keys: Command, cli: CommandLine): void {
  keys
    .command('list')
    .description('the keys of the ring and those that the store knows, with the processes that use them')
    .option('--count', 'also count what each key seals, by reading the whole store')
    .action(({ count = false }: { count?: boolean }) =>
      cli.runOn(async ({ client, terminal }) => {
        const states = await client.keys.list({ count })
        terminal.result(states, listText(states))
      }),
    )
}

function addRetiring(keys: Command, cli: CommandLine): void {
  keys
    .command('rotate')
    .description(
      'seal everything with the key that writes, while the servers run; goes on where it was stopped',
    )
    .option(
      '--wait <seconds>',
      'how long to come back to records in use',
      wholeNumber(0, longestWaitS),
      defaultWaitS,
    )
    .action(({ wait }: { wait: number }) =>
      cli.runOn(async ({ client, terminal, process: { signal } }) => {
        const onProgress = (progress: RotationProgress): void => terminal.progress(progressText(progress))
        const result = await client.keys.rotate({ waitMs: wait * 1000, signal, onProgress })
        terminal.result(result, rotationText(result))
        return exitCodeOf(result)
      }),
    )
  keys
    .command('retire')
    .description('prove that nothing uses a key, so that it can be taken out of the ring')
    .argument('<kid>', 'its id')
    .action((kid: string) =>
      cli.runOn(async ({ client, terminal, process: { signal } }) => {
        const onProgress = ({ set, seen }: { set: string; seen: number }): void =>
          terminal.progress(`Counting: ${set}, ${seen} records`)
        const retired = await client.keys.retire({ kid, signal, onProgress })
        const text = `${kid} is retired: ${retired.sets} sets hold nothing that it sealed. Take it out of the encryption keys.\nKeep it as long as backups from before the rotation.`
        terminal.result(retired, text)
      }),
    )
}

function generate(
  terminal: Terminal,
  id = `k${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`,
): void {
  const key = randomBytes(keyBytes)
  createKeyRing([{ kid: id, key }])
  const entry = `${id}:${key.toString('base64')}`
  terminal.result({ kid: id, entry }, entry)
  terminal.note(
    'Keep it in your secret store. Roll it out second, promote it to the first place, then rotate.',
  )
}

interface WrapOptions {
  readonly environment: string
  readonly existing?: boolean
}

async function wrap(kid: string, { environment, existing }: WrapOptions, env: Environment): Promise<string> {
  const key = existing ? existingKey(kid, env).key : undefined
  const provider = kmsOf(env, undefined)
  const endpoint = env['AWS_ENDPOINT_URL_KMS'] ?? ''
  const allowLoopback = URL.canParse(endpoint) && isLoopbackHost(new URL(endpoint).hostname)
  const fetch = createGuardedFetch({ allowLoopback })
  try {
    return await provider.wrap(kid, { environment, fetch }, key)
  } finally {
    await fetch.close()
  }
}

function existingKey(kid: string, env: Environment): RootKey {
  const entries = parseKeyEntries(env['AUTHFLOW_ENCRYPTION_KEYS'], 'AUTHFLOW_ENCRYPTION_KEYS')
  const found = entries.find((entry) => entry.kid === kid)
  if (!found) throw usageError(`AUTHFLOW_ENCRYPTION_KEYS has no key \`${kid}\`.`)
  return { kid, key: found.bytes }
}

function listText(states: readonly KeyState[]): string {
  const rows = states.map(({ kid, state, writers, readers, usage }) => [
    kid,
    state,
    `${writers.length}`,
    `${readers}`,
    ...(usage ? [usage.map(({ set, documents }) => `${set} ${documents}`).join(', ') || 'nothing'] : []),
  ])
  const counted = states.some(({ usage }) => usage !== undefined)
  // This command's own process is among them.
  return table(['KEY', 'STATE', 'WRITERS', 'READERS', ...(counted ? ['SEALS'] : [])], rows)
}

function progressText({ phase, set, seen, resealed }: RotationProgress): string {
  const words = { reseal: 'Sealing anew', check: 'Checking', wait: 'Waiting for records in use' }
  return `${words[phase]}: ${set}, ${seen} records read, ${resealed} sealed anew`
}

function rotationText({ kid, outcome, resealed, left }: RotationResult): string {
  const sealed = `${resealed} records were sealed anew with ${kid}.`
  if (outcome === 'stopped') return `Stopped. ${sealed} Run it again to go on.`
  if (outcome === 'done') return `Done. ${sealed} Nothing is left; other keys can be retired.`
  const lines = left.map(({ set, reason, documents }) => `  ${set}: ${documents} (${reason})`)
  return [`${sealed} Left with other keys:`, ...lines, 'Run it again later.'].join('\n')
}

function exitCodeOf({ outcome }: RotationResult): ExitCode {
  if (outcome === 'stopped') return exitCodes.interrupted
  return outcome === 'done' ? exitCodes.done : exitCodes.failed
}

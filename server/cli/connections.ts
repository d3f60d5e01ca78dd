// authflow connections: who is connected, and ending it. Credentials are never shown.

import type { Command } from 'commander'
import type { Connection } from '../../shared/auth.ts'
import { type Client } from './configuration.ts'
import { type CommandLine, wholeNumber } from './command.ts'
import { table, usageError } from './terminal.ts'

const pageSize = 100
const mostListed = 1_000_000

interface ListOptions {
  readonly account?: string
  readonly integration?: string
  readonly limit: number
}

/** Adds `connections list | show | disconnect`. */
export function connectionCommands(program: Command, cli: CommandLine): void {
  const connections = program.command('connections').description('connections: list, show, disconnect')
  connections
    .command('list')
    .description('connections, newest first')
    .option('--account <id>', 'of this account only')
    .option('--integration <id>', 'of this integration only')
    .option('--limit <count>', 'at most so many', wholeNumber(1, mostListed), pageSize)
    .action((options: ListOptions) =>
      cli.runOn(async ({ client, terminal }) => {
        const items = await listUpTo(client, options)
        terminal.result({ items }, items.length === 0 ? 'There are none.' : listText(items))
      }),
    )
  connections
    .command('show')
    .description('one connection')
    .argument('<integration>', 'the integration’s id')
    .argument('<account>', 'the account’s id')
    .action((integration: string, accountId: string) =>
      cli.runOn(async ({ client, terminal }) => {
        const connection = await client.connections.get({ integration, accountId })
        terminal.result(connection, showText(connection))
      }),
    )
  connections
    .command('disconnect')
    .description('end a connection and revoke its grant at the provider; needs --config')
    .argument('<integration>', 'the integration’s id')
    .argument('<account>', 'the account’s id')
    .option('--yes', 'it can not be taken back: the user would have to connect again')
    .action((integration: string, accountId: string, { yes = false }: { yes?: boolean }) =>
      cli.runOn(async ({ client, terminal }) => {
        if (!yes) throw usageError('Disconnecting can not be taken back. Add --yes.')
        requireIntegration(client, integration)
        const connection = await client.connections.disconnect({ integration, accountId })
        terminal.result(connection, `${integration} of ${accountId} is disconnected.`)
      }),
    )
}

async function listUpTo(client: Client, { account, integration, limit }: ListOptions): Promise<Connection[]> {
  const items: Connection[] = []
  let cursor: string | undefined
  do {
    const page = await client.connections.list({
      limit: Math.min(pageSize, limit - items.length),
      ...(account === undefined ? {} : { accountId: account }),
      ...(integration === undefined ? {} : { integration }),
      ...(cursor === undefined ? {} : { cursor }),
    })
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined && items.length < limit)
  return items
}

/** Without the integration's definition nobody could revoke the grant at the provider. */
function requireIntegration(client: Client, id: string): void {
  if (client.inspect().integrations.some((integration) => integration.id === id)) return
  throw usageError(
    `The configuration has no integration ${id}, so its grant could not be revoked. Name the file that exports the client with --config.`,
  )
}

function listText(items: readonly Connection[]): string {
  const rows = items.map(({ accountId, integration, state, identity, updatedAt }) => [
    accountId,
    integration,
    state,
    identity.label,
    updatedAt,
  ])
  return table(['ACCOUNT', 'INTEGRATION', 'STATE', 'CONNECTED AS', 'UPDATED'], rows)
}

function showText(connection: Connection): string {
  const { identity, scopes, fields, ...rest } = connection
  const place = identity.place === undefined ? '' : `, ${identity.place}`
  const shown: [string, string][] = [
    ['id', rest.id],
    ['account', rest.accountId],
    ['integration', rest.integration],
    ['state', rest.reason === undefined ? rest.state : `${rest.state} (${rest.reason})`],
    ['method', rest.method],
    ['connected as', `${identity.label}${place} (${identity.id})`],
    ['scopes', scopes.join(' ')],
    ...Object.entries(fields).map(([name, value]): [string, string] => [`field ${name}`, value]),
    ['created', rest.createdAt],
    ['updated', rest.updatedAt],
  ]
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd()).join('\n')
}

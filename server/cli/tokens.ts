// authflow tokens: ending connect tokens before their time.

import type { Command } from 'commander'
import type { CommandLine } from './command.ts'
import { usageError } from './terminal.ts'

/** Adds `tokens revoke`. */
export function tokenCommands(program: Command, cli: CommandLine): void {
  const tokens = program.command('tokens').description('connect tokens: revoke')
  tokens
    .command('revoke')
    .description('end one connect token, read from standard input, or all of an account')
    .option('--account <id>', 'all tokens of this account')
    .action(({ account }: { account?: string }) =>
      cli.runOn(async ({ client, terminal, process }) => {
        // Not as an argument: those are seen by every process of the machine and kept in the shell's history.
        const token = account === undefined ? (await process.readInput()).trim() : undefined
        if (token === '') throw usageError('Give the token on standard input, or --account.')
        const { revoked } = await client.connectTokens.revoke(
          token === undefined ? { accountId: account ?? '' } : { token },
        )
        terminal.result(
          { revoked },
          revoked === 1 ? '1 token was revoked.' : `${revoked} tokens were revoked.`,
        )
      }),
    )
}

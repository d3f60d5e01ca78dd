// The program: its options, its command groups, and how arguments become an exit code. A new group is a file of its own
// and a line here.

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { type CommandGroup, CommandLine, type CommandProcess } from './command.ts'
import { connectionCommands } from './connections.ts'
import { doctorCommand } from './doctor.ts'
import { keyCommands } from './keys.ts'
import { runCommands } from './runs.ts'
import { exitCodes, type ExitCode } from './terminal.ts'
import { tokenCommands } from './tokens.ts'
import { workerCommand } from './worker.ts'

const groups: readonly CommandGroup[] = [
  keyCommands,
  connectionCommands,
  tokenCommands,
  runCommands,
  workerCommand,
  doctorCommand,
]

const epilogue = `
Configuration comes from --config, else from authflow.config.{ts,mts,mjs,js} in the working directory, which exports the
client, else from AUTHFLOW_STORE, AUTHFLOW_QUEUE, AUTHFLOW_ENVIRONMENT, AUTHFLOW_ENCRYPTION_KEYS and AUTHFLOW_BASE_URL.

Exit codes: 0 done, 1 failed or something is left to do, 2 wrong arguments or configuration, 130 interrupted.`

/** Runs the command that the arguments name; resolves with the exit code, and never rejects for what a user did. */
export async function runProgram(args: readonly string[], process: CommandProcess): Promise<ExitCode> {
  const program = new Command('authflow')
    .description('Operates an authflow server: keys, connections, tokens, runs, workers.')
    .version(readVersion())
    .option('--config <file>', 'a module that exports the client')
    .option('--json', 'results as JSON on standard output')
    .addHelpText('after', epilogue)
    .configureOutput({
      writeOut: (text) => void process.stdout.write(text),
      writeErr: (text) => void process.stderr.write(text),
    })
  const cli = new CommandLine(program, process)
  for (const addTo of groups) addTo(program, cli)
  for (const command of everyCommand(program)) {
    command.exitOverride().showHelpAfterError('Try --help.').configureOutput(program.configureOutput())
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help and version that were asked for; everything else is a mistake.
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  }
  return cli.exitCode
}

function* everyCommand(command: Command): Iterable<Command> {
  yield command
  for (const inner of command.commands) yield* everyCommand(inner)
}

/** From the sources the manifest is two folders up, in the package three. */
function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
      if (typeof manifest === 'object' && manifest !== null && 'version' in manifest)
        return String(manifest.version)
    } catch {
      continue
    }
  }
  return 'unknown'
}

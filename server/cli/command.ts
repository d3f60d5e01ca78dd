// What every command group works with, and how a command runs: configured, started without a worker, closed.

import { InvalidArgumentError, type Command } from 'commander'
import { findClient, type Client, type Configured, type Environment } from './configuration.ts'
import { exitCodes, type ExitCode, type Streams, Terminal } from './terminal.ts'

/** The process that a command runs in. */
export interface CommandProcess extends Streams {
  readonly env: Environment
  /** The working directory. */
  readonly directory: string
  /** Aborts when the user asks to stop. */
  readonly signal: AbortSignal
  /** Standard input to its end, as text. */
  readInput(): Promise<string>
}

/** Adds the commands of one subject to the program. One file each. */
export type CommandGroup = (program: Command, cli: CommandLine) => void

/** What an action is given. */
export interface Action {
  readonly terminal: Terminal
  readonly process: CommandProcess
}

/** An action that works on a started server. */
export interface ClientAction extends Action {
  /** Started without a worker; closed after the action. */
  readonly client: Client
}

/** Runs the actions of a program and keeps the exit code. */
export class CommandLine {
  readonly #program: Command
  readonly #process: CommandProcess
  /** Of the last action. */
  exitCode: ExitCode = exitCodes.done

  constructor(program: Command, process: CommandProcess) {
    this.#program = program
    this.#process = process
  }

  /** Runs an action that needs no server. It gives its exit code; nothing means that it is done. */
  async run(action: (given: Action) => Promise<ExitCode | void> | ExitCode | void): Promise<void> {
    const { json } = this.#program.opts<{ json?: true }>()
    const terminal = new Terminal(this.#process, json ?? false)
    try {
      this.exitCode = (await action({ terminal, process: this.#process })) ?? exitCodes.done
    } catch (cause) {
      this.exitCode = terminal.failure(cause)
    }
  }

  /** Finds the client; nothing is started. Throws what the configuration is wrong about. */
  configure(): Promise<Configured> {
    const { config } = this.#program.opts<{ config?: string }>()
    const { env, directory } = this.#process
    return findClient({ config, env, directory })
  }

  /** Runs an action on the configured server. */
  runOn(action: (given: ClientAction) => Promise<ExitCode | void>): Promise<void> {
    return this.run(async (given) => {
      const { client } = await this.configure()
      try {
        await client.start({ worker: false })
        return await action({ ...given, client })
      } finally {
        await client.close()
      }
    })
  }
}

/** A whole number within bounds, for an option of commander. */
export const wholeNumber =
  (from: number, to: number) =>
  (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= from && value <= to) return value
    throw new InvalidArgumentError(`Must be a whole number from ${from} to ${to}.`)
  }

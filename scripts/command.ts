// Runs one command of a script to its end.

import { spawn } from 'node:child_process'
import { root } from './source-files.ts'

/** How a command ended. */
export interface CommandResult {
  /** Exit code; 1 when a signal ended it. */
  readonly code: number
  /** What it printed on both streams, in order; empty when the output was passed through. */
  readonly output: string
}

/** Options of {@link runCommand}. */
export interface CommandOptions {
  /** (default: the repository) */
  readonly cwd?: string
  /** Added to the environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Shows the output at once instead of collecting it (default false). */
  readonly show?: boolean
}

/** Resolves when the command has ended, whatever its exit code. Rejects when it can't be started. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: options.show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const collect = (chunk: Buffer): void => void (output += chunk.toString())
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

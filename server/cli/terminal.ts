// What commands say, and where: results on standard output, everything else on standard error.

import { AuthFlowError, isAuthFlowError, type ErrorDetails } from '../../shared/errors.ts'
import { scrubText } from '../vault/scrub-text.ts'

/** Exit codes of every command. */
export const exitCodes = {
  done: 0,
  /** It was tried and failed, or there is something left to do. */
  failed: 1,
  /** The command line or the configuration can't work. */
  usage: 2,
  /** Stopped by the user: 128 and the number of SIGINT. */
  interrupted: 130,
} as const

/** The exit code of a command. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Errors that the user mends on the command line or in the configuration. */
const usageCodes: ReadonlySet<string> = new Set([
  'missing_option',
  'invalid_option',
  'missing_peer',
  'invalid_base_url',
  'missing_encryption_key',
  'invalid_encryption_key',
  'duplicate_integration',
  'insecure_endpoint',
])

/** Where a process writes. */
export interface Streams {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean | undefined }
}

/** How often progress is shown: on a terminal in place, elsewhere as lines. */
const terminalEveryMs = 100
const linesEveryMs = 5_000

/** What one command says. */
export class Terminal {
  readonly #streams: Streams
  readonly #json: boolean
  #shownAt = -Infinity
  #width = 0

  constructor(streams: Streams, json: boolean) {
    this.#streams = streams
    this.#json = json
  }

  /** The result: `value` as JSON where that was asked for, else the text. */
  result(value: unknown, text: string): void {
    this.#clear()
    this.#streams.stdout.write(this.#json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`)
  }

  /** One of many results that come one by one: as JSON each is a line of its own. */
  line(value: unknown, text: string): void {
    this.#clear()
    this.#streams.stdout.write(`${this.#json ? JSON.stringify(value) : text}\n`)
  }

  /** Says what went wrong with one thing of many; gives it as a result would have it. */
  failed(subject: string, cause: unknown): { readonly subject: string } & ReturnType<typeof describe> {
    const error = describe(cause)
    this.note(`authflow: ${subject}: ${error.message} (${error.code})`)
    return { subject, ...error }
  }

  /** A remark that is not part of the result. */
  note(text: string): void {
    this.#clear()
    this.#streams.stderr.write(`${text}\n`)
  }

  /** How far long work is. Shown every so often; on a terminal each text replaces the one before. */
  progress(text: string): void {
    const { stderr } = this.#streams
    const now = performance.now()
    if (now - this.#shownAt < (stderr.isTTY ? terminalEveryMs : linesEveryMs)) return
    this.#shownAt = now
    if (!stderr.isTTY) return void stderr.write(`${text}\n`)
    stderr.write(`\r${text.padEnd(this.#width)}`)
    this.#width = text.length
  }

  /** Says what went wrong and gives the exit code for it. */
  failure(cause: unknown): ExitCode {
    this.#clear()
    const error = describe(cause)
    if (this.#json) this.#streams.stdout.write(`${JSON.stringify({ error }, null, 2)}\n`)
    this.#streams.stderr.write(`authflow: ${error.message} (${error.code})\n`)
    return usageCodes.has(error.code) ? exitCodes.usage : exitCodes.failed
  }

  #clear(): void {
    if (this.#width === 0) return
    this.#streams.stderr.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }
}

/** Our own errors are shown whole: the operator is who they are for. What others threw may hold anything. */
export function describe(cause: unknown): {
  readonly code: string
  readonly message: string
  readonly details: ErrorDetails
} {
  if (isAuthFlowError(cause)) {
    const { code, message, details } = cause
    return { code, message, details }
  }
  const message = cause instanceof Error ? cause.message : String(cause)
  return { code: 'internal', message: scrubText(message), details: {} }
}

/** A mistake on the command line. */
export const usageError = (message: string): AuthFlowError => new AuthFlowError('invalid_option', message)

/** Columns, each as wide as its widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [head, ...rows].map(line).join('\n')
}

// The library's own log: pino, with secrets taken out of facts and message before pino sees them.

import pino from 'pino'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/log.ts'
import { createRedactor } from './redact.ts'

/** Least important line that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Where a log goes. */
export interface LogOptions {
  /** (default `info`) */
  readonly level?: LogLevel
  /** Takes one line of JSON with its line break at a time (default: standard output). */
  readonly destination?: { write(line: string): void }
}

/** A log that knows secrets when it sees them. */
export interface RedactingLogger extends Logger {
  /** Takes this exact text out of all later lines. See `Redactor.registerSecret`. */
  registerSecret(value: string): void
}

const standardError = 2

/** Where logs go that were given no destination. */
let standardDestination: pino.DestinationStream | undefined

/** From now on logs without a destination go to standard error: for a process whose standard output is its result. */
export function logToStandardError(): void {
  standardDestination ??= pino.destination({ fd: standardError, sync: true })
}

const levels: readonly string[] = ['debug', 'info', 'warn', 'error', 'silent'] satisfies LogLevel[]

/**
 * A log of JSON lines: `level`, `time` (ISO 8601), the facts, `msg`. Secrets read `[secret]`: values under a secret
 * name at any depth, whatever looks like a token, key or credential in any text, bodies, and registered values. Errors
 * are shown with code, text and causes, without what libraries attach to them. A method never throws.
 *
 * @throws {@link AuthFlowError} `invalid_option` for an unknown level
 */
export function createLogger(options: LogOptions = {}): RedactingLogger {
  const { level = 'info', destination } = options
  if (!levels.includes(level)) {
    throw new AuthFlowError('invalid_option', `The log level must be one of ${levels.join(', ')}.`, {
      details: { option: 'level' },
    })
  }
  const settings: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    // Errors are copied by the redactor; pino's own serialiser would append what it finds on them.
    serializers: { err: (value: unknown) => value },
  }
  const stream = destination ?? standardDestination
  const log = stream ? pino(settings, stream) : pino(settings)
  const { redact, scrub, registerSecret } = createRedactor()

  const write =
    (method: 'debug' | 'info' | 'warn' | 'error'): Logger['info'] =>
    (facts, message) => {
      if (!log.isLevelEnabled(method)) return
      const shown = redact(facts instanceof Error ? { error: facts } : facts)
      log[method](
        typeof shown === 'object' && shown !== null ? shown : { facts: shown },
        scrub(String(message)),
      )
    }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    registerSecret,
  }
}

// The log of one server: the library's own or the host's, with secrets taken out on the way to either.

import type { Auth } from '../shared/auth.ts'
import type { Logger } from '../shared/log.ts'
import type { Integration } from './integrations/integration.ts'
import { createLogger, type LogLevel, type RedactingLogger } from './vault/logger.ts'
import { createRedactor } from './vault/redact.ts'

/** What is logged, and where. */
export interface LogChoice {
  /** Least important line of the library's own log. */
  readonly log?: LogLevel
  /** The host's log. */
  readonly logger?: Logger
  /** Their client secrets never show, whatever text they stand in. */
  readonly integrations: readonly Integration<string, Auth>[]
  /** What every line says beside its own facts: where it was made (default: nothing). */
  readonly around?: () => Readonly<Record<string, unknown>> | undefined
}

/** The log. Throws `invalid_option` for an unknown level. */
export function openLog({ log, logger, integrations, around }: LogChoice): Logger {
  const opened = logger ? censor(logger) : createLogger(log === undefined ? {} : { level: log })
  for (const { connect } of integrations) {
    for (const method of connect?.methods ?? []) {
      if (method.id === 'oauth2') opened.registerSecret(method.client.clientSecret)
    }
  }
  return around === undefined ? opened : placed(opened, around)
}

/** A line's own facts come last, so that they count where both say something. */
function placed(log: Logger, around: NonNullable<LogChoice['around']>): Logger {
  const write =
    (level: keyof Logger): Logger['info'] =>
    (facts, message) =>
      log[level]({ ...around(), ...facts }, message)
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

function censor(logger: Logger): RedactingLogger {
  const { redact, scrub, registerSecret } = createRedactor()
  const write =
    (level: keyof Logger): Logger['info'] =>
    (facts, message) => {
      const shown = redact(facts)
      logger[level](
        typeof shown === 'object' && shown !== null ? { ...shown } : { facts: shown },
        scrub(message),
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

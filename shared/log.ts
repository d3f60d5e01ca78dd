/** Structured log of the library: facts first, then a sentence. pino's shape; facts never hold secrets. */
export interface Logger {
  debug(facts: Record<string, unknown>, message: string): void
  info(facts: Record<string, unknown>, message: string): void
  warn(facts: Record<string, unknown>, message: string): void
  error(facts: Record<string, unknown>, message: string): void
}

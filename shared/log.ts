/** Structured log of the library: facts first, then a sentence. pino's shape; facts never hold secrets. */
export interface Logger {
  /** For those who debug authflow. */
  debug(facts: Record<string, unknown>, message: string): void
  /** What happened as it should. */
  info(facts: Record<string, unknown>, message: string): void
  /** What went wrong and is dealt with. */
  warn(facts: Record<string, unknown>, message: string): void
  /** What needs somebody. */
  error(facts: Record<string, unknown>, message: string): void
}

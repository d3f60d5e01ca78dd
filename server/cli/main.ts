#!/usr/bin/env node
// The executable `authflow`: gives the program its process.

import { text } from 'node:stream/consumers'
import { logToStandardError } from '../vault/logger.ts'
import { runProgram } from './program.ts'

// Standard output is for results.
logToStandardError()

const stop = new AbortController()
const onInterrupt = (): void => stop.abort(new Error('interrupted'))
const signals = ['SIGINT', 'SIGTERM'] as const

const { stdout, stderr, env, stdin } = process
process.exitCode = await runProgram(process.argv.slice(2), {
  stdout,
  stderr,
  env,
  directory: process.cwd(),
  // Only work that stops by it takes it, and only once: else a signal ends the process as it does any other.
  get signal() {
    for (const signal of signals) process.once(signal, onInterrupt)
    return stop.signal
  },
  readInput: () => text(stdin),
})
for (const signal of signals) process.off(signal, onInterrupt)

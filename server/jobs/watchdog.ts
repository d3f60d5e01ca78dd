// Ends a process whose event loop has hung. Leases are renewed on the loop itself, because the store belongs to it: a
// loop that blocks for more than eight seconds loses its runs to other workers, and its late writes fail at the fence.
// What is left is a process that will never do anything again; a thread beside the loop ends it, so that whoever
// supervises it can start a new one.

import { url as inspectorUrl } from 'node:inspector'
import { Worker } from 'node:worker_threads'

const tickMs = 1000
const hungAfterTicks = 30

// The thread counts its own seconds, so that a machine that sleeps, or a stopped process, does not look hung.
const code = `
  const { workerData } = require('node:worker_threads')
  const beats = new Int32Array(workerData.memory)
  let seen = -1, missed = 0
  setInterval(() => {
    const now = Atomics.load(beats, 0)
    missed = now === seen || Atomics.load(beats, 1) === 1 ? missed + 1 : 0
    if (now !== seen) missed = 0
    seen = now
    if (missed >= workerData.limit && Atomics.load(beats, 1) === 0) process.kill(process.pid, 'SIGKILL')
  }, workerData.tickMs)
`

/** A running watchdog. */
export interface Watchdog {
  /** The loop is alive. */
  beat(): void
  stop(): Promise<void>
}

/**
 * Watches this process: without a beat for 30 seconds it is killed. Not while a debugger is attached.
 *
 * @param options for tests: seconds are shorter there
 */
export function startWatchdog(options: { tickMs?: number; limit?: number } = {}): Watchdog {
  const memory = new SharedArrayBuffer(8)
  const beats = new Int32Array(memory)
  const thread = new Worker(code, {
    eval: true,
    // Loaders and hooks of the main thread have no business here.
    execArgv: [],
    workerData: { memory, tickMs: options.tickMs ?? tickMs, limit: options.limit ?? hungAfterTicks },
  })
  thread.unref()
  // A thread that can't run watches nothing; the process is as well off as without one.
  thread.on('error', () => undefined)
  return {
    beat: () => {
      Atomics.add(beats, 0, 1)
      Atomics.store(beats, 1, inspectorUrl() === undefined ? 0 : 1)
    },
    stop: async () => void (await thread.terminate()),
  }
}

// Starts `npm run demo`'s own entry as a process of its own, with a data folder and ports of its own.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../main.ts', import.meta.url))
const readyText = 'Stop with Ctrl+C.'
const startLimitMs = 60_000

/** A running demo. */
export interface DemoProcess {
  readonly port: number
  readonly baseUrl: string
  readonly dataDirectory: string
  /** What it printed. */
  readonly output: () => string
  /** Ends it with a signal and waits for its end; the exit code, or null after SIGKILL. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Options of {@link startDemo}. */
export interface StartDemoOptions {
  readonly port: number
  readonly dataDirectory: string
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** A fresh data folder and how to delete it. */
export async function createDataDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'authflow-e2e-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** The first of six free ports in a row. */
export async function findFreePorts(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = 20_000 + Math.floor(Math.random() * 30_000)
    const free = await Promise.all([0, 1, 2, 3, 4, 5].map((offset) => isFree(base + offset)))
    if (free.every(Boolean)) return base
  }
  throw new Error('no six free ports in a row')
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** Starts the demo and resolves when it says that it is ready; rejects with its output when it ends before. */
export async function startDemo(options: StartDemoOptions): Promise<DemoProcess> {
  const { port, dataDirectory, args = [] } = options
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', entry, '--port', String(port), '--data', dataDirectory, ...args],
    { env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const output = collect(child)
  await ready(child, output)
  return {
    port,
    baseUrl: `http://localhost:${port}`,
    dataDirectory,
    output,
    stop: (signal = 'SIGTERM') => end(child, signal),
  }
}

function collect(child: ChildProcess): () => string {
  let text = ''
  const add = (chunk: Buffer): void => {
    text += chunk.toString('utf8')
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  return () => text
}

function ready(child: ChildProcess, output: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`the demo ${why}:\n${output()}`))
    const timer = setTimeout(() => fail('was not ready in time'), startLimitMs)
    child.stdout?.on('data', () => {
      if (!output().includes(readyText)) return
      clearTimeout(timer)
      resolve()
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      fail(`ended with code ${code}`)
    })
  })
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code))
    child.kill(signal)
  })
}

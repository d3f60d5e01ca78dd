// From starting the process to the first answer, against a Node process that does nothing.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../scripts/source-files.ts'
import { takeTurns, type Effort } from './measure.ts'
import { compare, type BenchResults } from './result.ts'
import { stopChild, subjectPath } from './subject.ts'

const patienceMs = 60_000
const pauseMs = 10

/** The first of `count` ports in a row that are free now. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = await portOf(0)
    const taken = await Promise.all(
      Array.from({ length: count - 1 }, (_, index) => portOf(first + 1 + index).catch(() => 0)),
    )
    if (first + count < 65_536 && !taken.includes(0)) return first
  }
}

async function portOf(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Milliseconds until the URL answers 200. The process is ended then. */
async function untilAnswer(args: readonly string[], url: string): Promise<number> {
  const started = performance.now()
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    for (;;) {
      const ok = await fetch(url).then(
        (response) => response.ok,
        () => false,
      )
      const elapsed = performance.now() - started
      if (ok) return elapsed
      if (child.exitCode !== null || elapsed > patienceMs)
        throw new Error(`${args.join(' ')} does not answer at ${url}`)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  } finally {
    await stopChild(child)
  }
}

async function startServer(): Promise<number> {
  const port = await freePorts(1)
  return untilAnswer([subjectPath('ready'), String(port)], `http://127.0.0.1:${port}/readyz`)
}

/** The demo takes five more ports after its own. */
async function startDemo(): Promise<number> {
  const port = await freePorts(6)
  const folder = mkdtempSync(join(tmpdir(), 'authflow-bench-'))
  try {
    const args = ['--import', 'tsx', 'demo/main.ts', '--port', String(port), '--data', folder]
    return await untilAnswer(args, `http://localhost:${port}/`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startNothing(): Promise<number> {
  const started = performance.now()
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit')
  return performance.now() - started
}

/** Milliseconds, each start on an empty folder. */
export async function measureStart({ rounds }: Effort): Promise<BenchResults> {
  const [server = [], demo = [], bare = []] = await takeTurns(rounds, [startServer, startDemo, startNothing])
  const nothing = { name: 'a Node process that does nothing', values: bare }
  return {
    server_ready: compare('ms', server, nothing),
    demo_ready: compare('ms', demo, nothing),
  }
}

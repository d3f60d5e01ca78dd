// Starts what is measured: each subject is a script of bench/subjects, compiled and run by plain Node in a process of its
// own, so that neither the loader of TypeScript nor the one who measures takes part in the figures.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { runCommand } from '../scripts/command.ts'
import { root } from '../scripts/source-files.ts'

const compiled = join(root, 'test-results/bench')
const startTimeoutMs = 30_000

/** Compiles the subjects with the sources that they import. */
export async function compileSubjects(): Promise<void> {
  const { code, output } = await runCommand(process.execPath, [
    'node_modules/typescript/bin/tsc',
    '-p',
    'bench/tsconfig.json',
  ])
  if (code !== 0) throw new Error(`The subjects do not compile:\n${output}`)
}

/** A running subject. */
export interface Subject {
  /** The next line that it prints, as JSON. Rejects when it ends before, or takes longer (default 30 s). */
  next(timeoutMs?: number): Promise<unknown>
  /** Writes a line to its standard input. */
  tell(line: string): void
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>
}

/** Path of a subject's compiled script. */
export const subjectPath = (name: string): string => join(compiled, 'bench/subjects', `${name}.js`)

/** Starts a subject with arguments. Its standard error is shown. */
export function startSubject(name: string, args: readonly string[] = []): Subject {
  const child = spawn(process.execPath, [subjectPath(name), ...args], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    next: async (timeoutMs = startTimeoutMs) => {
      const late = timeout(name, timeoutMs)
      const line = await Promise.race([lines.next(), late.promise]).finally(late.stop)
      if (line.done) throw new Error(`${name} ended without an answer`)
      return JSON.parse(line.value)
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
    stop: () => stopChild(child),
  }
}

/** Ends a child by SIGTERM, by SIGKILL if that does not help within 30 s. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  const last = setTimeout(() => child.kill('SIGKILL'), 30_000)
  child.kill('SIGTERM')
  await gone
  clearTimeout(last)
}

function timeout(name: string, ms: number): { promise: Promise<never>; stop: () => void } {
  let timer: NodeJS.Timeout | undefined
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not answer in ${ms} ms`)), ms)
  })
  return { promise, stop: () => clearTimeout(timer) }
}

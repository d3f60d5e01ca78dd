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
  /** The next line that it prints, as JSON. Rejects when it ends before. */
  next(): Promise<unknown>
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>
}

/** Path of a subject's compiled script. */
export const subjectPath = (name: string): string => join(compiled, 'bench/subjects', `${name}.js`)

/** Starts a subject with arguments. Its standard error is shown. */
export function startSubject(name: string, args: readonly string[] = []): Subject {
  const child = spawn(process.execPath, [subjectPath(name), ...args], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    next: async () => {
      const line = await Promise.race([lines.next(), timeout(name)])
      if (line.done) throw new Error(`${name} ended without an answer`)
      return JSON.parse(line.value)
    },
    stop: () => stopChild(child),
  }
}

/** Ends a child by SIGTERM, by SIGKILL if that does not help within 5 s. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  const last = setTimeout(() => child.kill('SIGKILL'), 5000)
  child.kill('SIGTERM')
  await gone
  clearTimeout(last)
}

function timeout(name: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(
      () => reject(new Error(`${name} did not answer in ${startTimeoutMs} ms`)),
      startTimeoutMs,
    ).unref()
  })
}

// What the contract's cases share: a backend for each test, the sets they use, and child processes.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { isAuthFlowError } from '../../shared/errors.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import { defineSet } from './store.ts'
import type { Store, StoredDocument } from './store.ts'

/** One place to store in, empty at first. */
export interface Backend {
  /** For child processes. */
  readonly url: string
  /** Opens one more store on it, not migrated. Leases are stolen {@link marginMs} after their end. */
  open(): Promise<Store>
  /** Names of all unique indexes but the one of the id. */
  listUniqueIndexes(): Promise<string[]>
  /** Deletes it. The stores are closed by then. */
  cleanup(): Promise<void>
}

/** Makes a new place. */
export type OpenBackend = () => Promise<Backend>

/** Margin that the backends of the contract open their stores with. */
export const marginMs = 150

/** A document with a field of every kind. */
export interface Note extends StoredDocument {
  readonly text?: string | null
  readonly count?: number | null
  readonly flag?: boolean | null
  readonly tags?: readonly unknown[] | null
  readonly data?: unknown
  readonly group?: string | number | boolean | null
  readonly at?: string | number | boolean | null
}

/** The set that most cases use. */
export const notes = defineSet<Note>('notes', { byGroup: ['group', 'at'], byText: ['text'] })
/** A second set. */
export const others = defineSet<Note>('others', { byVersion: ['version'] })

/** A migrated pair of stores on one backend. */
export interface Pair {
  readonly backend: Backend
  readonly store: Store
  /** Another instance on the same backend. */
  readonly second: Store
}

/** Runs a case on two stores over a fresh backend, and tidies up. */
export function withPair(openBackend: OpenBackend, run: (pair: Pair) => Promise<void>): () => Promise<void> {
  return async () => {
    const backend = await openBackend()
    const stores: Store[] = []
    try {
      const store = await backend.open()
      stores.push(store)
      const second = await backend.open()
      stores.push(second)
      await store.migrate([notes, others], 'test')
      await second.migrate([notes, others], 'test')
      await run({ backend, store, second })
    } finally {
      for (const store of stores) await store.close()
      await backend.cleanup()
    }
  }
}

/** Asserts that a call rejects with the code. */
export async function rejectsWith(code: ErrorCode, call: () => Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isAuthFlowError(error), String(error))
    assert.equal(error.code, code, error.message)
    return true
  })
}

/** All pages of a listing by index `byGroup`. */
export async function listAll(
  store: Store,
  query: { equals: Note['group'] & {}; order?: 'asc' | 'desc'; limit: number; from?: number; to?: number },
  between: () => Promise<void> = async () => {},
): Promise<Note[]> {
  const items: Note[] = []
  let cursor: string | undefined
  do {
    const page = await store.list(notes, {
      index: 'byGroup',
      ...query,
      ...(cursor === undefined ? {} : { cursor }),
    })
    assert.ok(page.items.length <= query.limit)
    items.push(...page.items)
    cursor = page.cursor
    await between()
  } while (cursor !== undefined)
  return items
}

/** A child process that works on the backend, see contract-worker.ts. */
export interface Worker {
  /** Lines of its output so far. */
  readonly lines: string[]
  readonly child: ChildProcess
  /** Resolves with the exit code or the signal. */
  readonly exited: Promise<number | NodeJS.Signals>
}

/** Starts a worker. */
export function startWorker(url: string, name: string): Worker {
  const script = fileURLToPath(new URL('contract-worker.ts', import.meta.url))
  const loader = ['--import', import.meta.resolve('tsx')]
  const child = spawn(process.execPath, [...loader, script, url, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? 0))
  })
  return { lines, child, exited }
}

// The other process of the contract's cases: `contract-worker.ts <url> <task> [parameter]`. Prints a line for every
// write that was acknowledged.

import { isAuthFlowError } from '../../shared/errors.ts'
import { notes, others } from './contract-fixtures.ts'
import { openStore } from './open-store.ts'
import type { Store } from './store.ts'

const tasks: Record<string, (store: Store, parameter: string) => Promise<void>> = {
  /** Nothing but migrating, which all tasks do. */
  async migrate() {},

  /** Raises a counter, as often as the parameter says. */
  async count(store, parameter) {
    const raise = async (): Promise<void> => {
      if (await store.update(notes, 'counter', {}, { increment: { count: 1 } })) say('raised')
    }
    for (let done = 0; done < Number(parameter); done += 20)
      await Promise.all(Array.from({ length: 20 }, raise))
  },

  /** Claims names by inserting them, as many as the parameter says. */
  async claim(store, parameter) {
    for (let at = 0; at < Number(parameter); at++) {
      if (await store.insert(notes, { id: `claim-${at}` })) say(`claim-${at}`)
    }
  },

  /** Writes until it is killed: documents of one set and, in one transaction each, pairs over both. */
  async write(store, parameter) {
    const write = async (lane: number): Promise<void> => {
      for (let at = 0; ; at++) {
        const id = `${parameter}-${lane}-${at}`
        const changed =
          (await store.insert(notes, { id })) && (await store.update(notes, id, {}, { set: { count: 1 } }))
        if (changed) say(id)
        const pair = [notes, others].map((set) => ({
          verb: 'insert' as const,
          set: set.name,
          document: { id: `pair-${id}` },
        }))
        if (await store.transact(pair)) say(`pair-${id}`)
      }
    }
    await Promise.all(Array.from({ length: 10 }, (_, lane) => write(lane)))
  },
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function main(): Promise<void> {
  const [url = '', task = '', parameter = ''] = process.argv.slice(2)
  const store = await openStore(url)
  await store.migrate([notes, others], 'test')
  await tasks[task]?.(store, parameter)
  await store.close()
}

main().catch((error: unknown) => {
  if (!isAuthFlowError(error)) throw error
  say(`failed: ${error.code}`)
  process.exitCode = 1
})

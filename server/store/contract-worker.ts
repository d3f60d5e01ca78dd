// The other process of the contract's cases: `contract-worker.ts <url> <name>`. It migrates, claims names, raises a
// counter and then writes until it is killed. Every write that was acknowledged is a line of its output.

import { notes, others } from './contract-fixtures.ts'
import { openStore } from './open-store.ts'
import { insertStep } from './store.ts'
import type { Store } from './store.ts'

const [url = '', name = ''] = process.argv.slice(2)

function say(kind: string, id: string): void {
  process.stdout.write(`${kind} ${id}\n`)
}

/** Claims names by inserting them. */
async function claim(store: Store): Promise<void> {
  for (let at = 0; at < 100; at++) {
    if (await store.insert(notes, { id: `claim-${at}` })) say('claimed', `claim-${at}`)
  }
}

/** Raises a counter that the others raise too. */
async function count(store: Store): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const raises = Array.from({ length: 10 }, async () => {
      if (await store.update(notes, 'counter', {}, { increment: { count: 1 } })) say('raised', 'counter')
    })
    await Promise.all(raises)
  }
}

/** Writes documents in two steps, and pairs over two sets in one transaction each. */
async function write(store: Store, lane: number): Promise<never> {
  for (let at = 0; ; at++) {
    const id = `${name}-${lane}-${at}`
    await store.insert(notes, { id })
    if (await store.update(notes, id, {}, { set: { count: 1 } })) say('wrote', id)
    if (
      await store.transact([
        insertStep(notes, { id: `pair-${id}` }),
        insertStep(others, { id: `pair-${id}` }),
      ])
    ) {
      say('paired', `pair-${id}`)
    }
  }
}

const store = await openStore(url)
await store.migrate([notes, others], 'test')
await store.insert(notes, { id: 'counter' })
await claim(store)
await count(store)
await Promise.all(Array.from({ length: 10 }, (_, lane) => write(store, lane)))

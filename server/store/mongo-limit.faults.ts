// A socket that goes away in the turn in which a command is written to it: the driver then waits for ever, the store not.
// Wants TEST_MONGODB_URL.

import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { randomText } from '../../shared/ids.ts'
import { dropDatabase } from '../fixtures/drop-database.ts'
import { notes, others, rejectsWith } from './contract-fixtures.ts'
import { openStore } from './open-store.ts'
import { insertStep, updateStep } from './store.ts'
import type { Store } from './store.ts'

const serverUrl = process.env['TEST_MONGODB_URL'] ?? ''
const skip = serverUrl === '' && 'TEST_MONGODB_URL is not set: no MongoDB to test with'

/** Gathers the sockets that are opened, until `stop`. */
function gatherSockets(): { sockets: Socket[]; stop(): void } {
  const sockets: Socket[] = []
  const take = (message: unknown): void => {
    assert.ok(message instanceof Object && 'socket' in message && message.socket instanceof Socket)
    sockets.push(message.socket)
  }
  subscribe('net.client.socket', take)
  return { sockets, stop: () => unsubscribe('net.client.socket', take) }
}

/** Lets the socket that the next command with this text goes to go away under it; gives how many did. */
function endInWrite(sockets: readonly Socket[], text: string): () => number {
  let ended = 0
  for (const socket of sockets) {
    const write = socket.write.bind(socket)
    socket.write = (chunk: Uint8Array | string): boolean => {
      if (ended > 0 || !Buffer.from(chunk).includes(text)) return write(chunk)
      ended += 1
      socket.destroy()
      return false
    }
  }
  return () => ended
}

/** Commands of each way to the server; the word stands in what is sent. */
const commands: Readonly<Record<string, (store: Store, word: string) => Promise<unknown>>> = {
  'a write': (store, word) => store.update(notes, 'a', {}, { set: { text: word } }),
  'a write that gives the document': (store, word) =>
    store.updateAndGet(notes, 'a', {}, { set: { text: word } }),
  'a removal': (store, word) => store.remove(notes, 'a', { text: word }),
  'a transaction': (store, word) =>
    store.transact([insertStep(others, { id: 'b' }), updateStep(notes, 'a', {}, { set: { text: word } })]),
  'a read': (store, word) => store.get(notes, word),
  'a lease': (store, word) => store.acquireLease(word, 'owner', 1000),
}

const options = { skip, timeout: 300_000, concurrency: true }
describe('a command of a store on MongoDB whose socket goes away under it', options, () => {
  for (const [name, command] of Object.entries(commands))
    it(`ends, and the store goes on: ${name}`, async () => {
      const url = new URL(serverUrl)
      url.pathname = `/authflow_faults_${randomText(8).replaceAll('-', 'x')}`
      const { sockets, stop } = gatherSockets()
      const store = await openStore(url.href)
      try {
        await store.migrate([notes, others], 'test')
        await store.insert(notes, { id: 'a' })
        const word = randomText(12)
        const ended = endInWrite(sockets, word)
        await rejectsWith('store_unavailable', () => command(store, word))
        assert.equal(ended(), 1, 'one socket went away under the command')
        // What the command touched is free again.
        assert.equal(await store.update(notes, 'a', {}, { set: { text: 'after' } }), true)
      } finally {
        stop()
        await store.close()
        await dropDatabase(url.href)
      }
    })
})

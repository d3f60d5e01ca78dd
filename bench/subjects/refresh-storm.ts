// A process that refreshes: `refresh-storm.js DIRECTORY KEYS PROVIDER PERSON`. For each line on its standard input, `expire`,
// `lease CALLERS` or `flight CALLERS`, it does that and prints a line. `flight` is what a library does that shares one
// refresh among the callers of its process and knows of no other.

import { createInterface } from 'node:readline'
import { connectionIdOf } from '../../server/connect/connection-id.ts'
import { rotatingMethod } from '../../server/connect/fixtures/rotating.ts'
import { connectDirectly, integrationOf, openService } from '../../server/connect/fixtures/workbench.ts'
import { connectionSet } from '../../server/connect/sets.ts'

const [directory = '', keys = '', origin = '', person = ''] = process.argv.slice(2)
const integration = 'bench'
const accountId = 'account-1'
const method = rotatingMethod({ origin, person }, { rotation: 'none' })
let flight: Promise<void> | undefined
const { connect, store, close } = await openService({
  directory,
  keys,
  integrations: [integrationOf(integration, [method])],
})
process.on('SIGTERM', () => void close().finally(() => process.exit(0)))
console.log(JSON.stringify({ ready: true }))

for await (const line of createInterface({ input: process.stdin })) {
  const [verb = '', callers = '0'] = line.split(' ')
  const from = performance.now()
  if (verb === 'expire') await expire()
  else
    await Promise.all(
      Array.from({ length: Number(callers) }, verb === 'lease' ? throughLease : throughFlight),
    )
  console.log(JSON.stringify({ ms: performance.now() - from }))
}

/** Connects the account the first time, and lets its token be over. */
async function expire(): Promise<void> {
  const found = await connect.findConnection({ integration, accountId })
  if (!found) await connectDirectly(connect, { integration, accountId })
  const set = { expiresAt: store.now() - 1 }
  await store.update(connectionSet, connectionIdOf(integration, accountId), {}, { set })
}

async function throughLease(): Promise<void> {
  await connect.getAuth({ id: integration, accountId })
}

function throughFlight(): Promise<void> {
  return (flight ??= refreshAlone().finally(() => (flight = undefined)))
}

async function refreshAlone(): Promise<void> {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'alone' })
  await (await fetch(`${origin}/token`, { method: 'POST', body })).text()
}

// A server of the packed package, run by plain Node in the consumer of scripts/check-package.ts: starts on a new SQLite file,
// runs a job, answers over HTTP and closes. Prints nothing when all is well.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { AuthFlow, eventTrigger } from 'authflow'

const nothing = () => {}
const client = new AuthFlow({
  environment: 'check',
  baseUrl: 'http://127.0.0.1:1/authflow',
  store: 'sqlite:./check.db',
  encryptionKeys: `k1:${randomBytes(32).toString('base64')}`,
  integrations: [],
  logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
})
client.defineJob({
  id: 'check',
  name: 'Check',
  version: '1.0.0',
  trigger: eventTrigger({ name: 'check' }),
  run: async (_payload, io) => {
    await io.runTask('work', () => ({ ok: true }))
  },
})

const { port } = await client.listen(0, '127.0.0.1')
const response = await fetch(`http://127.0.0.1:${port}/authflow/readyz`)
assert.equal(response.status, 200, await response.text())

const { runIds } = await client.sendEvent({ name: 'check', payload: {} })
const [id] = runIds
const deadline = Date.now() + 10_000
let state = 'queued'
while (state !== 'succeeded' && Date.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 20))
  state = (await client.runs.get({ id })).state
}
assert.equal(state, 'succeeded')
await client.close()

// A server from nothing to ready: prints its address once it listens.

import { createBenchClient, createKey, temporaryFolder } from './fixture.ts'

const port = Number(process.argv[2])
const baseUrl = `http://127.0.0.1:${port}`
const { secretKeys } = createKey()
const client = createBenchClient({ baseUrl, secretKeys, store: `sqlite:${temporaryFolder()}/bench.db` })
await client.listen(port)
console.log(JSON.stringify({ url: `${baseUrl}/readyz` }))

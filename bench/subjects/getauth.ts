// `getAuth` over HTTP: the real server, with a connected account for each connection of the load, so that no request
// profits from another one's. `getauth.js [sqlite|mongo]`.

import { authRequests, startBenchServer } from './bench-server.ts'
import { connectAccount } from './connected.ts'

const accounts = Array.from({ length: 32 }, (_, index) => `account-${index}`)
const server = await startBenchServer(process.argv[2] ?? 'sqlite')
await Promise.all(accounts.map((account) => connectAccount(server, account)))
console.log(JSON.stringify(authRequests(server, accounts)))

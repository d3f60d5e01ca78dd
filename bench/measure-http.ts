// `getAuth` over HTTP against an empty tRPC procedure and a bare Koa route, each in a process of its own.

import { loadRequest, measureLoad, type LoadRequest } from './http-load.ts'
import { takeTurns, type Effort } from './measure.ts'
import { compare, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const connections = 32
/** A round is cut into shorter turns, so that what disturbs the machine for a second disturbs all subjects alike. */
const turnsPerRound = 4

/** Requests a second, 32 connections, one request at a time on each. */
export async function measureHttp({ rounds, loadMs }: Effort): Promise<BenchResults> {
  const subjects = ['getauth', 'trpc-empty', 'koa-json'].map((name) => startSubject(name))
  try {
    const [getAuth, trpc, koa] = await Promise.all(
      subjects.map(async (subject) => loadRequest.parse(await subject.next())),
    )
    if (!getAuth || !trpc || !koa) throw new Error('A subject is missing')
    const load = (request: LoadRequest) => (): Promise<number> =>
      measureLoad(request, { connections, milliseconds: loadMs / turnsPerRound })
    const turns = [load(getAuth), load(trpc), load(koa)]
    await takeTurns(2 * turnsPerRound, turns) // warms up
    const [ours = [], empty = [], bare = []] = await takeTurns(rounds * turnsPerRound, turns)
    const against = (name: string, baseline: readonly number[]) =>
      compare('requests/s', ours, { name, values: baseline })
    return {
      getauth_http_vs_trpc_empty: against('empty POST procedure, tRPC’s adapter under Koa', empty),
      getauth_http_vs_koa: against('bare Koa JSON route', bare),
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()))
  }
}

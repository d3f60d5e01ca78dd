// Runs that wait for a request, and the requests. The address holds a token of 256 bits that is derived from the run and
// the place of the wait by a key of the environment: it is the same at every pass, and the store has only its digest.

import { updateStep } from '../store/store.ts'
import { AuthFlowError } from '../../shared/errors.ts'
import type { EngineCore } from './core.ts'
import type { Json } from './job.ts'
import { digest, type JournalEntry, type RunDocument } from './records.ts'
import { requestWaits, type RequestWaitDocument } from './wait-records.ts'

/** Shape of the token in the address. */
const tokenPattern = /^[\w-]{43}$/
/** A run that keeps changing hands while its request is stored. */
const maxTries = 10

/** The token of the wait at the path. */
export const requestToken = ({ vault }: EngineCore, runId: string, path: string): string =>
  vault.blindIndex('request-wait', runId, path)

/** Id of the wait's record. */
export const requestWaitId = (token: string): string => digest('request-wait', token)

/** The body that came, as JSON; undefined while none has. */
export function receivedBy({ vault }: EngineCore, wait: RequestWaitDocument): string | undefined {
  if (wait.body === undefined) return undefined
  return vault.session('run', wait.runId).open(wait.body, `request:${wait.path}`)
}

/**
 * Gives the body of a request to the run that waits for it. The first one counts: later ones are taken and change
 * nothing, so that a sender that got no answer may repeat.
 *
 * @param read gives the body; called only where somebody waits
 * @throws {@link AuthFlowError} `not_found`, `wait_over`, and what `read` throws
 */
export async function receiveRequest(
  core: EngineCore,
  token: string,
  read: () => Promise<Json>,
): Promise<void> {
  const { store, signals, vault } = core
  const id = requestWaitId(token)
  let body: string | undefined
  for (let tries = 0; tries < maxTries; tries += 1) {
    const wait = tokenPattern.test(token) ? await store.get(requestWaits, id) : undefined
    if (wait === undefined) throw new AuthFlowError('not_found')
    if (wait.state === 'received') return
    if (wait.state === 'over') throw new AuthFlowError('wait_over')
    body ??= JSON.stringify(await read())
    const sealed = vault.session('run', wait.runId).seal(body, `request:${wait.path}`)
    const step = updateStep(requestWaits, id, { state: 'open' }, { set: { state: 'received', body: sealed } })
    const told = await signals.tell(wait.runId, [step])
    if (told === 'woken') return
    if (told === 'over') throw new AuthFlowError('wait_over')
  }
  throw new AuthFlowError('conflict')
}

/** Closes a wait that its run left open. */
export async function closeRequestWait(
  core: EngineCore,
  run: Pick<RunDocument, 'id'>,
  { path }: JournalEntry,
): Promise<boolean> {
  const id = requestWaitId(requestToken(core, run.id, path))
  return core.store.update(requestWaits, id, { state: 'open' }, { set: { state: 'over' } })
}

// `io.waitForRequest`: the run's side of waiting for a request from outside.

import { AuthFlowError } from '../../shared/errors.ts'
import { createFrame } from './frames.ts'
import type { Json } from './job.ts'
import type { WaitForRequestOptions } from './outside-io.ts'
import { waitOutside } from './outside-wait.ts'
import { digest, type JournalEntry } from './records.ts'
import { closeRequestWait, receivedBy, requestToken, requestWaitId } from './request-waits.ts'
import type { RunIOOptions } from './run-io.ts'
import { checkRetry } from './task-options.ts'
import { checkOptions, namedError, wrongCall, type NamedCall } from './wrong-call.ts'
import { requestWaits } from './wait-records.ts'

/** Gives the address to whoever is to send the request. */
export type TellAddress = (url: string) => Promise<Json | void> | Json | void

/** See `IO.waitForRequest`. */
export async function waitForRequest(
  parts: RunIOOptions,
  { key, tell, options }: { key: string; tell: TellAddress; options: WaitForRequestOptions },
): Promise<unknown> {
  const { core, run, runner, execution } = parts
  const call = { name: 'waitForRequest', key, job: run.job }
  if (typeof tell !== 'function')
    throw wrongCall(call, 'it needs a function that gives the address to the sender.')
  checkOptions(call, options)
  if (options.retry !== undefined) checkRetry(call, options.retry)
  const base = core.baseUrl
  if (base === undefined) throw noAddress(call)
  return waitOutside(parts, {
    name: 'waitForRequest',
    kind: 'request',
    key,
    params: digest('request').slice(0, 22),
    timeoutInSeconds: options.timeoutInSeconds,
    look: (entry) => look(parts, entry),
    prepare: ({ path }, caller) =>
      execution.within(createFrame(caller, path, caller.call), () =>
        runner.run('callback', () => tell(addressOf(base, requestToken(core, run.id, path))), {
          name: `address of ${key}`,
          ...(options.retry === undefined ? {} : { retry: options.retry }),
        }),
      ),
    close: async (entry) => ((await closeRequestWait(core, run, entry)) ? undefined : received(parts, entry)),
  })
}

const noAddress = (call: NamedCall): AuthFlowError => {
  const details = { option: 'baseUrl' }
  return namedError(
    call,
    new AuthFlowError('missing_option', 'AuthFlow needs the option `baseUrl`.', { details }),
  )
}

const addressOf = (base: URL, token: string): string =>
  `${base.href.replace(/\/$/, '')}/webhooks/run/${token}`

async function look(parts: RunIOOptions, { path, until = 0 }: JournalEntry): Promise<string | undefined> {
  const { core, run } = parts
  const { store } = core
  const id = requestWaitId(requestToken(core, run.id, path))
  const expireAt = until + core.retention.eventMs
  const wait = await store.get(requestWaits, id)
  if (wait === undefined)
    await store.insert(requestWaits, { id, runId: run.id, path, state: 'open', expireAt })
  // A run that was resumed after the time was over waits again, at the same address.
  else if (wait.state === 'over')
    await store.update(requestWaits, id, { state: 'over' }, { set: { state: 'open', expireAt } })
  return wait && receivedBy(core, wait)
}

async function received({ core, run }: RunIOOptions, { path }: JournalEntry): Promise<string | undefined> {
  const wait = await core.store.get(requestWaits, requestWaitId(requestToken(core, run.id, path)))
  return wait && receivedBy(core, wait)
}

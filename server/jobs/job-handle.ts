// A job as its definition gives it back: its id with the types of payload and output, and starting it.

import { assertOutside } from './assert-outside.ts'
import type { InvokeOptions, JobEngine } from './engine.ts'
import type { Json } from './job.ts'
import type { InvokeItem, JobRef } from './outside-io.ts'

/** What a job's code returns, as others get it: null where it returns nothing. */
export type OutputOf<Output> = [Output] extends [void]
  ? null
  : Exclude<Output, void> | (void extends Output ? null : never)

/** Payloads that a job can be invoked with; never for those that are no JSON once they are parsed: use the job's id. */
type Invocable<Payload> = Payload & Json

/** A defined job. Its `invoke` is for code outside of runs; inside, `io.invoke(key, job, payload)` starts it once. */
export interface Job<Payload, Output> extends JobRef<Payload, Output> {
  /** The version it was defined with. Which one a run gets is decided when it is started: the highest there is. */
  readonly version: string
  /**
   * The same as `client.invoke` with the job's id.
   *
   * @throws {@link AuthFlowError} those of `client.invoke`; `invalid_input` in the code of a run, outside of its tasks
   */
  invoke(payload: Invocable<Payload>, options?: InvokeOptions): Promise<{ readonly id: string }>
  /** The same as `client.batchInvoke` with the job's id. Throws as {@link Job.invoke}, with `items[n]` before the message. */
  batchInvoke(items: readonly InvokeItem<Invocable<Payload>>[]): Promise<readonly { readonly id: string }[]>
}

/** The job, started by the engine given. */
export function createJob<Payload, Output>(
  { id, version }: { readonly id: string; readonly version: string },
  engine: () => Promise<Pick<JobEngine, 'invoke' | 'batchInvoke'>>,
): Job<Payload, Output> {
  return {
    id,
    version,
    invoke: async (payload, options) => {
      assertOutside(`job.invoke of ${id}`, "Use io.invoke('key', job, …).")
      return (await engine()).invoke(id, payload, options)
    },
    batchInvoke: async (items) => {
      assertOutside(`job.batchInvoke of ${id}`, "Use io.batchInvoke('key', job, …).")
      return (await engine()).batchInvoke(id, items)
    },
  }
}

// What the compiler knows of invoked jobs and awaited events. Never run.

import { z } from 'zod'
import type { AuthFlow } from '../authflow.ts'
import { invokeTrigger } from '../triggers/invoke-trigger.ts'
import type { IO, Json } from './job.ts'

declare const client: AuthFlow<readonly []>
declare const io: IO

const double = client.defineJob({
  id: 'double',
  name: 'Double',
  version: '1.0.0',
  trigger: invokeTrigger({ schema: z.object({ n: z.number() }) }),
  run: async ({ n }) => n * 2,
})
const silent = client.defineJob({
  id: 'silent',
  name: 'Silent',
  version: '1.0.0',
  trigger: invokeTrigger({ schema: z.object({ n: z.number() }) }),
  run: () => undefined,
})

export async function knowsTheJob(): Promise<void> {
  const doubled = await io.invokeAndWait('double', double, { n: 1 })
  if (doubled.ok) doubled.output satisfies number
  else doubled.error.code satisfies string
  // @ts-expect-error only a run that succeeded has an output
  void doubled.output
  const nothing = await io.invokeAndWait('silent', silent, { n: 1 })
  if (nothing.ok) nothing.output satisfies null
  const [first] = await io.batchInvokeAndWait('batch', double, [{ payload: { n: 1 } }])
  if (first?.ok === true) first.output satisfies number
  const { id } = await io.invoke('start', double, { n: 1 }, { cancelWithParent: true })
  id satisfies string
  await double.invoke({ n: 1 }, { accountId: 'ada' })
  // @ts-expect-error another payload
  await io.invokeAndWait('wrong', double, { n: 'one' })
  // @ts-expect-error another payload
  await io.batchInvoke('wrong', double, [{ payload: { m: 1 } }])
  // @ts-expect-error another payload
  await double.invoke({ m: 1 })
  // @ts-expect-error a run that is waited for has no key of its own
  await io.invokeAndWait('wrong', double, { n: 1 }, { idempotencyKey: 'k' })
  const byId = await io.invokeAndWait('by id', 'double', { anything: true })
  if (byId.ok) byId.output satisfies Json
}

export async function knowsTheEvent(): Promise<void> {
  const schema = z.object({ at: z.string().transform((text) => new Date(text)) })
  const { payload, timestamp } = await io.waitForEvent('wait', { name: 'x', schema })
  payload.at satisfies Date
  timestamp satisfies Date
  const any = await io.waitForEvent('any', { name: 'x' })
  any.payload satisfies Json
  const body = await io.waitForRequest('request', () => undefined)
  body satisfies Json
  // @ts-expect-error a Date is no JSON
  await io.continueAsNew(new Date())
}

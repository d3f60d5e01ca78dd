// Connecting by a code that the user types at the provider. The flow waits in `verify` with the code to show; one process
// at a time asks the provider, as seldom as it wants, until the user has decided or the code has ended.

import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import type { DeviceMethod, Identified, TokenSet } from '../integrations/integration.ts'
import { checkUrl, isLoopbackHost } from '../net/url-guard.ts'
import { pollDeviceCode, requestDeviceCode, type DeviceGrant } from '../oauth/device.ts'
import { completeFlow } from './complete.ts'
import type { ConnectContext } from './context.ts'
import { failure } from './flow.ts'
import type { WaitingParts } from './flow-parts.ts'
import { flowSecrets } from './flow-secrets.ts'
import { busyLimitMs, type FlowMove } from './flow-store.ts'
import { identify, oauthGrant, type GrantValues } from './grant.ts'
import { createLeaseKeeper, type HeldLease } from './held-lease.ts'
import { giveUpTokens } from './obtain-grant.ts'
import type { FlowRecord, PendingDevice } from './records.ts'
import { secretBox } from './secrets.ts'
import { flowSet } from './sets.ts'

/** Added to the interval each time the provider says `slow_down` (RFC 8628 section 3.5), in ms. */
const slowDownMs = 5_000
/** While the provider can't be reached the interval doubles up to this, in ms. */
const longestIntervalMs = 60_000
/** Flows that one round of upkeep takes up. */
const roundSize = 50

/**
 * Gets a code and puts it into the flow, which must be in `verify`; from then on the provider is asked in the
 * background.
 *
 * @throws {@link AuthFlowError} those of {@link requestDeviceCode}; `insecure_endpoint` when the page to show is not one
 */
export async function beginDevice(
  parts: WaitingParts,
  flow: FlowRecord,
  chosen: { readonly method: DeviceMethod; readonly values: GrantValues; readonly scopes: readonly string[] },
): Promise<FlowRecord> {
  const { context, flows } = parts
  const { method, values, scopes } = chosen
  const fields = { ...values.open, ...values.secret }
  const grant = await requestDeviceCode({ method, fields, fetch: context.fetch }, scopes)
  const { device, deviceCode } = pendingOf(context, grant, scopes)
  const secrets = secretBox(context.vault, 'flow').seal(flow, {
    ...values.secret,
    [deviceCodeField]: deviceCode,
  })
  const waiting = await flows.move(flow, { busyUntil: null, secrets, device, deviceOpen: true })
  askInBackground(parts, waiting.id)
  return waiting
}

/** No form field can have this name. */
const deviceCodeField = 'device.code'

function pendingOf(
  { store, baseUrl }: ConnectContext,
  grant: DeviceGrant,
  scopes: readonly string[],
): { readonly device: PendingDevice; readonly deviceCode: string } {
  const { deviceCode, userCode, intervalMs, lifetimeMs } = grant
  const judged = (url: string): string => {
    try {
      return checkUrl(url, isLoopbackHost(baseUrl.hostname)).href
    } catch (error) {
      throw new AuthFlowError('insecure_endpoint', undefined, { cause: error })
    }
  }
  const complete = grant.verificationUrlComplete
  const device: PendingDevice = {
    userCode,
    verificationUrl: judged(grant.verificationUrl),
    ...(complete === undefined ? {} : { verificationUrlComplete: judged(complete) }),
    endsAt: store.now() + lifetimeMs,
    intervalMs,
    scopes,
  }
  return { device, deviceCode }
}

/** Takes up flows whose process is gone. */
export async function sweepDevices(parts: WaitingParts): Promise<void> {
  const query = { index: 'openDevices', equals: true, limit: roundSize }
  const { items } = await parts.context.store.list(flowSet, query)
  for (const { id } of items) askInBackground(parts, id)
}

/** Asks until the flow is over, if no other process does already. */
function askInBackground(parts: WaitingParts, flowId: string): void {
  const { context } = parts
  context.background('asking whether a device was let in', async () => {
    const lease = await createLeaseKeeper(context.store, randomText(22)).take(`device:${flowId}`)
    if (!lease) return
    try {
      await ask(parts, flowId, lease)
    } finally {
      await lease.release()
    }
  })
}

async function ask(parts: WaitingParts, flowId: string, lease: HeldLease): Promise<void> {
  const { context, flows, hub } = parts
  let intervalMs: number | undefined
  for (;;) {
    const flow = await flows.find(flowId)
    const { device, deviceOpen } = flow ?? {}
    if (!flow || !device || !deviceOpen || flow.stage !== 'verify' || hub.closed || lease.lost) return
    const leftMs = device.endsAt - context.store.now()
    if (leftMs <= 0) return void (await flows.tryMove(flow, endings.expired()))
    intervalMs ??= device.intervalMs
    const waitUntil = performance.now() + Math.min(intervalMs, leftMs)
    // Wakes early when the flow is cancelled or the server closes; nobody is asked sooner for it.
    await hub.wait([flow], waitUntil - performance.now())
    if (performance.now() < waitUntil - 1) continue
    if (hub.closed || lease.lost) return
    const outcome = await pollOnce(parts, flow)
    if (outcome === 'over') return
    if (outcome !== 'again') intervalMs = nextInterval(intervalMs, outcome)
  }
}

const nextInterval = (intervalMs: number, outcome: 'slowDown' | 'unreachable'): number =>
  outcome === 'slowDown'
    ? intervalMs + slowDownMs
    : Math.max(intervalMs, Math.min(longestIntervalMs, intervalMs * 2))

type Step = 'over' | 'again' | 'slowDown' | 'unreachable'

/** The method with what it is used with. */
interface Chosen {
  readonly method: DeviceMethod
  readonly values: GrantValues
  readonly fields: Readonly<Record<string, string>>
}

/** Asks once and does what follows from the answer. Never throws for anything that belongs to the flow. */
async function pollOnce(parts: WaitingParts, flow: FlowRecord): Promise<Step> {
  const { context, flows } = parts
  const method = context.integration(flow.integration).methods.find(({ id }) => id === 'device')
  if (method?.id !== 'device') return 'over'
  const { [deviceCodeField]: deviceCode = '', ...secret } = flowSecrets(context, flow)
  const values = { open: flow.values, secret }
  const chosen: Chosen = { method, values, fields: { ...flow.values, ...secret } }
  try {
    const { fields } = chosen
    const outcome = await pollDeviceCode({ method, fields, fetch: context.fetch }, deviceCode)
    if (outcome.state === 'pending') return 'again'
    if (outcome.state === 'slowDown') return 'slowDown'
    if (outcome.state === 'granted') await connectDevice(parts, flow, { ...chosen, tokens: outcome.tokens })
    else await flows.tryMove(flow, endings[outcome.state]())
    return 'over'
  } catch (error) {
    if (isAuthFlowError(error) && error.retryable) return 'unreachable'
    await end(parts, flow, error)
    return 'over'
  }
}

const endings = {
  denied: (): FlowMove => ({ stage: 'cancelled', error: new AuthFlowError('access_denied').toReply() }),
  expired: (): FlowMove => failure(new AuthFlowError('device_code_expired')),
} as const

/**
 * Keeps what the user granted. The code is used up: from here on the flow ends, one way or the other, and tokens that it
 * does not take are given up.
 */
async function connectDevice(
  parts: WaitingParts,
  flow: FlowRecord,
  { method, values, fields, tokens }: Chosen & { readonly tokens: TokenSet },
): Promise<void> {
  const { context, flows } = parts
  const askedFor = flow.device?.scopes ?? []
  const giveUp = () =>
    giveUpTokens(parts, flow, { tokens, values, scopes: tokens.scopes ?? askedFor, via: method.id })
  const now = context.store.now()
  const taken = await flows.tryMove(flow, { busyUntil: now + busyLimitMs, deviceOpen: false })
  if (!taken) return giveUp()
  let identified: Identified
  try {
    identified = await identify(() => method.identify(tokens, { fetch: context.fetch, fields }))
  } catch (error) {
    await giveUp()
    return end(parts, taken, error)
  }
  try {
    const grant = oauthGrant(tokens, identified, { values, askedFor, now, via: method.id })
    await completeFlow(parts, taken, grant)
  } catch (error) {
    await end(parts, taken, error)
  }
}

async function end({ context, flows }: WaitingParts, flow: FlowRecord, error: unknown): Promise<void> {
  if (!isAuthFlowError(error)) context.log.error({ err: error, flowId: flow.id }, 'a device flow failed')
  await flows.tryMove(flow, failure(error))
}

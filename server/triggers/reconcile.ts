// Brings a registration to be what it is wanted to be: made, changed, renewed, repaired, removed. One process at a time,
// under the registration's lease; every step may be repeated after a crash whose outcome is not known.

import { AuthFlowError, isAuthFlowError, toAuthFlowError } from '../../shared/errors.ts'
import { randomText } from '../../shared/ids.ts'
import type { Auth } from '../../shared/auth.ts'
import type { Hook, HookContext, RegistrationSource } from '../integrations/webhook-source.ts'
import { canonicalJson } from '../jobs/canonical-json.ts'
import { delayAfter, type TriggerContext } from './context.ts'
import { intervalOf, pollRegistration } from './poll.ts'
import type { AnyDynamicTrigger } from './registration.ts'
import {
  isUsable,
  openSecret,
  placedAt,
  registrations,
  sealSecret,
  tenantKey,
  type AppliedHook,
  type RegistrationDocument,
} from './registration-records.ts'
import { paramsOf } from './source-params.ts'
import { authFor, fetchFor, withAuth } from './source-auth.ts'

/** How often a hook is looked for at the provider, in ms. */
const lookEveryMs = 6 * 3_600_000
/** A connection that was missing is looked for again after this, should nobody tell of it, in ms. */
const lookForConnectionMs = 10 * 60_000
/** What the provider refuses is tried again after this, in ms. */
const refusedMs = 6 * 3_600_000
/** Renewed once less than this part of its life is left. */
const renewPart = 0.5
/** Nothing that is as it should be is looked at sooner, in ms. */
const soonestMs = 60_000
const maxSteps = 5

/** Outcome of a reconciliation: `busy` while another process has it; `gone` when there is none. */
export type Reconciled = RegistrationDocument | 'busy' | 'gone'

type Actual = Partial<
  Pick<
    RegistrationDocument,
    | 'applied'
    | 'hook'
    | 'identityId'
    | 'tenant'
    | 'secrets'
    | 'previousUntil'
    | 'progress'
    | 'state'
    | 'error'
    | 'failures'
    | 'dueAt'
  >
>

/** The public URL of a hook. */
function hookUrl({ baseUrl }: Pick<TriggerContext, 'baseUrl'>, hook: string): string {
  return `${baseUrl.href.replace(/\/$/, '')}/webhooks/${hook}`
}

/** One registration, brought up to date. Failures are written down, not thrown. */
export async function reconcile(context: TriggerContext, id: string): Promise<Reconciled> {
  const lease = await context.leases.take(`registration/${id}`)
  if (!lease) return 'busy'
  try {
    const { fence } = lease
    const claim = { set: { fence, dueAt: Math.ceil(context.now() + 60_000) } }
    let found = await context.store.updateAndGet(registrations, id, { fence: { lessThan: fence } }, claim)
    for (let steps = 0; found !== undefined && steps < maxSteps; steps += 1) {
      const next = await step(context, found)
      if (next === 'gone' || next === 'settled') return next === 'gone' ? 'gone' : found
      found = next
    }
    return found ?? 'gone'
  } finally {
    await lease.release()
  }
}

/** One step; the document after it, or that there is nothing more to do. */
async function step(
  context: TriggerContext,
  found: RegistrationDocument,
): Promise<RegistrationDocument | 'settled' | 'gone' | undefined> {
  const trigger = context.definitions.find(found.trigger)
  // Code of another version of the product has it.
  if (!trigger)
    return write(context, found, { dueAt: soon(context, lookForConnectionMs) }).then(() => 'settled')
  try {
    if (!found.wanted) return await removeAll(context, found, trigger)
    const moved = await movedWith(context, found, trigger)
    if (moved) return await context.store.updateAndGet(registrations, found.id, asRead(found), { set: moved })
    const change = await changeOf(context, found, trigger)
    const after = await write(context, found, { error: null, failures: 0, ...change })
    if (!after) return undefined
    return after.applied?.revision === after.revision ? Object.assign(found, after) && 'settled' : after
  } catch (error) {
    const after = await write(context, found, failureOf(context, { found, trigger }, error))
    return after && after.revision !== found.revision
      ? after
      : after
        ? (Object.assign(found, after), 'settled')
        : undefined
  }
}

/**
 * What has to be written of a registration whose trigger's integration has another name by now: of an account that
 * connected under the new one only, or that nobody told of. Until the account is found there it stays where it is.
 */
async function movedWith(
  { vault, findConnection }: TriggerContext,
  found: RegistrationDocument,
  { source: { integration } }: AnyDynamicTrigger,
): Promise<ReturnType<typeof placedAt> | undefined> {
  const { accountId } = found
  if (found.integration === integration.id || accountId === null) return undefined
  const to = { integration: integration.id, accountId }
  return isUsable(found, await findConnection(to)) ? placedAt(vault, found, to) : undefined
}

/** What has to be written for the registration to be up to date; the provider has been told. */
async function changeOf(
  context: TriggerContext,
  found: RegistrationDocument,
  trigger: AnyDynamicTrigger,
): Promise<Actual> {
  const { source } = trigger
  if (source.kind === 'poll') return pollRegistration(context, found, { ...trigger, source })
  if (source.kind === 'app') {
    const auth = await authFor(context, found, trigger)
    if (auth === undefined) throw new AuthFlowError('not_connected')
    const applied = appliedOf(context, found, { data: null })
    const tenant = tenantKey(source.integration.id, source.tenantOf(auth))
    return {
      applied,
      tenant,
      identityId: auth.identity.id,
      state: 'active',
      dueAt: nextLook(context, applied),
    }
  }
  return withHook(context, found, { ...trigger, source })
}

type HookTrigger = AnyDynamicTrigger & { readonly source: RegistrationSource<unknown> }

async function withHook(
  context: TriggerContext,
  found: RegistrationDocument,
  trigger: HookTrigger,
): Promise<Actual> {
  const { applied } = found
  const { source } = trigger
  if (applied && applied.accountId !== found.accountId) {
    // Another account takes over: the old hook goes as whom it was made, as far as that still can be done.
    await removeHook(context, { ...found, accountId: applied.accountId, identityId: null }, trigger).catch(
      (error: unknown) =>
        context.log.warn({ err: error, trigger: found.trigger }, 'an old hook could not be removed'),
    )
    const hook = createHook()
    const secrets = ownSecret(context, trigger, { ...found, hook })
    return { applied: null, identityId: null, progress: null, hook, secrets, previousUntil: null }
  }
  return withAuth(context, found, trigger, async (auth) => {
    const hookContext = contextOf(context, found, trigger, auth)
    const hook = await bring(source, hookContext, { found, now: context.now() })
    const next =
      hook === undefined && applied
        ? applied
        : appliedOf(context, found, { ...(hook ?? { data: null }), events: hookContext.events })
    return {
      applied: next,
      ...(hook?.secret === undefined
        ? {}
        : { secrets: { current: sealSecret(context.vault, found, hook.secret) }, previousUntil: null }),
      ...(auth ? { identityId: auth.identity.id } : {}),
      state: 'active' as const,
      dueAt: nextLook(context, next),
    }
  })
}

/** Makes, changes, renews or repairs; undefined when the provider has it as it should be. */
async function bring(
  source: RegistrationSource<unknown>,
  context: HookContext<unknown>,
  { found, now }: { found: RegistrationDocument; now: number },
): Promise<Hook | undefined> {
  const { applied } = found
  if (!applied) return source.create(context)
  const known = { ...context, data: applied.data }
  if (applied.revision !== found.revision || hasOtherEvents(applied, context)) {
    // First the new one, then the old: nothing is missed in between.
    const hook = await source.create(context)
    if (canonicalJson(hook.data) !== canonicalJson(applied.data))
      await source.remove({ ...known, params: paramsOf(source, applied.params) })
    return hook
  }
  if (
    source.renew &&
    applied.expiresAt !== null &&
    applied.expiresAt - now < (applied.expiresAt - applied.madeAt) * renewPart
  )
    return gone(source.renew(known), () => source.create(context))
  return (await source.exists(known)) ? undefined : source.create(context)
}

/** True when the provider was told to send other events: the code of the trigger has changed since. */
export const hasOtherEvents = (
  { events = [] }: Pick<AppliedHook, 'events'>,
  wanted: Pick<HookContext<unknown>, 'events'>,
): boolean => canonicalJson([...events].sort()) !== canonicalJson([...wanted.events].sort())

/** Names of the events that a trigger wants of its provider. */
export const eventsOf = ({ event }: Pick<AnyDynamicTrigger, 'event'>): readonly string[] => [event.name]

/** What is not there any more is made again. */
async function gone(work: Promise<Hook>, instead: () => Promise<Hook>): Promise<Hook> {
  try {
    return await work
  } catch (error) {
    const isGone =
      isAuthFlowError(error) &&
      error.code === 'provider_rejected' &&
      (error.details.status === 404 || error.details.status === 410)
    if (!isGone) throw error
    return instead()
  }
}

/** Removes the hook and then the record. */
async function removeAll(
  context: TriggerContext,
  found: RegistrationDocument,
  trigger: AnyDynamicTrigger,
): Promise<'gone' | RegistrationDocument | undefined> {
  const { store } = context
  if (found.applied && trigger.source.kind === 'registration') {
    try {
      await removeHook(
        context,
        { ...found, accountId: found.applied.accountId },
        { ...trigger, source: trigger.source },
      )
    } catch (error) {
      // Without credentials nobody can remove it; what it still sends finds no registration.
      if (!isAuthFlowError(error) || !isWithoutCredentials(error)) throw error
    }
  }
  const { id, fence, revision } = found
  if (await store.remove(registrations, id, { fence, wanted: false, revision })) return 'gone'
  return store.get(registrations, id)
}

function removeHook(
  context: TriggerContext,
  found: RegistrationDocument,
  trigger: HookTrigger,
): Promise<void> {
  return withAuth(context, found, trigger, (auth) => removeWith(context, found, trigger, auth))
}

/** Removes the hook with the given credentials. */
export async function removeWith(
  context: TriggerContext,
  found: RegistrationDocument,
  trigger: HookTrigger,
  auth: Auth | undefined,
): Promise<void> {
  const { applied } = found
  if (!applied) return
  const { source } = trigger
  const params = paramsOf(source, applied.params)
  const url = hookUrl(context, found.hook)
  const fetch = fetchFor(context, trigger, auth?.identity.id)
  await source.remove({ params, auth, fetch, url, data: applied.data })
}

function contextOf(
  context: TriggerContext,
  found: RegistrationDocument,
  trigger: HookTrigger,
  auth: Auth | undefined,
): HookContext<unknown> {
  const { source } = trigger
  const { current } = found.secrets
  return {
    params: paramsOf(source, found.params),
    auth,
    fetch: fetchFor(context, trigger, auth?.identity.id),
    url: hookUrl(context, found.hook),
    events: eventsOf(trigger),
    secret: source.secret === 'own' && current !== undefined ? openSecret(context.vault, found, current) : '',
    data: found.applied?.data,
  }
}

function appliedOf(
  context: TriggerContext,
  found: RegistrationDocument,
  { data, expiresAt, events }: Pick<Hook, 'data' | 'expiresAt'> & Pick<AppliedHook, 'events'>,
): AppliedHook {
  const { revision, accountId, params } = found
  const madeAt = Math.floor(context.now())
  const facts = { revision, accountId, params, data, expiresAt: expiresAt?.getTime() ?? null, madeAt }
  return events === undefined ? facts : { ...facts, events }
}

function nextLook(context: TriggerContext, { expiresAt, madeAt }: AppliedHook): number {
  const look = soon(context, lookEveryMs * (0.75 + Math.random() / 2))
  if (expiresAt === null) return look
  const renewal = Math.ceil(madeAt + (expiresAt - madeAt) * (1 - renewPart))
  return Math.min(look, Math.max(renewal, soon(context, soonestMs)))
}

function failureOf(
  context: TriggerContext,
  { found, trigger: { source } }: { found: RegistrationDocument; trigger: AnyDynamicTrigger },
  thrown: unknown,
): Actual {
  const error = toAuthFlowError(thrown)
  const failures = found.failures + 1
  const { code, retryAfterMs, message } = {
    ...error.toReply(),
    code: error.code,
    retryAfterMs: error.details.retryAfterMs,
  }
  const shown = { error: { code, message }, failures }
  if (isWithoutCredentials(error)) {
    return { ...shown, failures: 0, state: 'waiting', dueAt: soon(context, lookForConnectionMs) }
  }
  const isFinal = !error.retryable && code !== 'internal'
  const { integration, trigger } = found
  const kept = found.applied?.revision === found.revision ? 'active' : 'pending'
  // Asked to wait is not failed.
  if (code === 'rate_limited' && retryAfterMs !== undefined)
    return { ...shown, failures: found.failures, state: kept, dueAt: soon(context, retryAfterMs) }
  context.log.warn(
    { err: error, integration, trigger, failures },
    'a registration is not as it should be yet',
  )
  const state = isFinal ? 'failed' : kept
  // A source in trouble is asked less often than one that answers, not more.
  const firstMs = source.kind === 'poll' && found.applied ? 2 * intervalOf(source) : undefined
  const delayMs = isFinal ? refusedMs : delayAfter(failures, retryAfterMs, firstMs)
  return { ...shown, state, dueAt: soon(context, delayMs) }
}

const isWithoutCredentials = ({ code }: AuthFlowError): boolean =>
  code === 'not_connected' || code === 'needs_reauth'

const soon = ({ now }: TriggerContext, ms: number): number => Math.ceil(now() + ms)

/** Nothing was written since: whose a registration is, others change without its lease. */
const asRead = ({ fence, version }: RegistrationDocument) => ({ fence, version })

function write(
  { store }: TriggerContext,
  { id, fence }: RegistrationDocument,
  set: Actual,
): Promise<RegistrationDocument | undefined> {
  return store.updateAndGet(registrations, id, { fence }, { set })
}

/** A name for a hook that nobody can guess. */
export const createHook = (): string => `wh_${randomText(32)}`

/** A secret of this server's making, sealed; none where the provider or the app has it. */
export function ownSecret(
  { vault }: TriggerContext,
  { source }: AnyDynamicTrigger,
  place: Pick<RegistrationDocument, 'id' | 'integration' | 'hook'>,
): RegistrationDocument['secrets'] {
  if (source.kind !== 'registration' || source.secret !== 'own') return {}
  return { current: sealSecret(vault, place, createSecret()) }
}

/** 256 bits in characters that every provider takes. */
export const createSecret = (): string => randomText(43)

// Registering, unregistering and listing: writes down what is to be and has it brought about. What is still missing
// then, the upkeep does.

import { AuthFlowError, isErrorCode } from '../../shared/errors.ts'
import type { Page } from '../../shared/flow.ts'
import { checkAccountId } from '../../shared/ids.ts'
import { auditStep } from '../connect/audit.ts'
import { canonicalJson } from '../jobs/canonical-json.ts'
import { checkFilter } from '../jobs/event-filter.ts'
import type { Json } from '../jobs/job.ts'
import { checkKey, checkMetadata } from '../jobs/schedule-book.ts'
import { updateStep, type NewDocument } from '../store/store.ts'
import { listenToConnections, type ConnectionListener } from './connection-changes.ts'
import type { TriggerContext } from './context.ts'
import { paramsOf } from './source-params.ts'
import { createHook, createSecret, eventsOf, hasOtherEvents, ownSecret, reconcile } from './reconcile.ts'
import type {
  AnyDynamicTrigger,
  RegisterOptions,
  Registration,
  RegistrationApi,
  RegistrationName,
  RegistrationQuery,
} from './registration.ts'
import {
  connectionOf,
  openSecret,
  placedAt,
  registrationId,
  registrations,
  sealSecret,
  type RegistrationDocument,
} from './registration-records.ts'

const maxTries = 10
/** Another process that works on the same registration is waited for, in ms. */
const busyPauseMs = 50
const busyTries = 100
const previousSecretMs = 3_600_000
const pageSize = 100
const atOnce = 10

/** Registrations of one server, with what its other parts tell them. */
export interface Registrations extends RegistrationApi, ConnectionListener {
  /** `actor` is the secret key's id, for the audit trail (default: the host's own process). */
  rotateSecret(name: RegistrationName, actor?: string): Promise<Registration>
  /** One round: those that are due. */
  sweep(): Promise<void>
}

/** The registrations of one server. */
export function createRegistrations(context: TriggerContext): Registrations {
  const { store } = context
  const get = async ({ trigger, key }: RegistrationName): Promise<RegistrationDocument> => {
    const found = await store.get(registrations, registrationId(trigger, checkKey(key)))
    if (!found?.wanted) throw notFound(trigger, key)
    return found
  }
  return {
    register: (registration) => register(context, registration),
    unregister: (name) => unregister(context, name),
    get: async (name) => viewOf(await get(name)),
    list: (query) => list(context, query),
    rotateSecret: async (name, actor = 'server') => rotate(context, await get(name), actor),
    ...listenToConnections(context),
    sweep: () => sweep(context),
  }
}

const notFound = (trigger: string, key: string): AuthFlowError =>
  new AuthFlowError(
    'not_found',
    `There is no registration ${JSON.stringify(key)} of ${trigger}. Register it first.`,
  )

type NewRegistration = RegistrationName & RegisterOptions & { readonly params: Json }

async function register(context: TriggerContext, registration: NewRegistration): Promise<Registration> {
  const { store } = context
  const trigger = context.definitions.get(registration.trigger)
  const facts = factsOf(trigger, registration)
  const id = registrationId(trigger.id, facts.key)
  for (let tries = 0; tries < maxTries; tries += 1) {
    const found = await store.get(registrations, id)
    if (found === undefined) {
      const created = newRegistration(context, trigger, { id, ...facts })
      if (!(await store.insert(registrations, created))) continue
      return viewOf(await settle(context, id, { isNew: true }))
    }
    if (found.wanted && isSame(found, facts) && !sendsOtherEvents(found, trigger)) {
      return viewOf(found.state === 'active' ? found : await settle(context, id, { isNew: false }))
    }
    if (
      await store.update(
        registrations,
        id,
        { version: found.version },
        { set: changed(context, trigger, found, facts) },
      )
    )
      return viewOf(await settle(context, id, { isNew: false }))
  }
  throw new AuthFlowError('conflict')
}

type Facts = Pick<
  RegistrationDocument,
  'key' | 'integration' | 'accountId' | 'connection' | 'params' | 'filter' | 'metadata'
>

function factsOf(trigger: AnyDynamicTrigger, given: NewRegistration): Facts {
  const { source } = trigger
  const { integration } = source
  const accountId = given.accountId === undefined ? null : checkAccountId(given.accountId)
  if (accountId === null && integration.authSource !== 'LOCAL') {
    const text = `Registering for ${trigger.id} needs an accountId: ${integration.id} acts as connected accounts.`
    throw new AuthFlowError('invalid_input', text, { details: { integration: integration.id } })
  }
  if (given.filter !== undefined) checkFilter(given.filter)
  paramsOf(source, given.params)
  return {
    key: checkKey(given.key),
    integration: integration.id,
    accountId,
    connection: connectionOf(integration.id, accountId),
    params: checkMetadata(given.params, 'params'),
    filter: given.filter ?? null,
    metadata: checkMetadata(given.metadata),
  }
}

/** What a change of tells the provider nothing, and what the rest is compared by. */
const isSame = (found: RegistrationDocument, facts: Facts): boolean =>
  canonicalJson(comparable(found)) === canonicalJson(comparable(facts))

/** True when the provider still sends the events that the trigger wanted before its code changed. */
const sendsOtherEvents = ({ applied }: RegistrationDocument, trigger: AnyDynamicTrigger): boolean =>
  applied !== null &&
  trigger.source.kind === 'registration' &&
  hasOtherEvents(applied, { events: eventsOf(trigger) })

const comparable = ({ accountId, params, filter, metadata, integration }: Facts): Json => ({
  accountId,
  integration,
  params,
  metadata,
  filter: JSON.parse(JSON.stringify(filter)) as Json,
})

function newRegistration(
  context: TriggerContext,
  trigger: AnyDynamicTrigger,
  facts: Facts & { readonly id: string },
): NewDocument<RegistrationDocument> {
  const now = Math.floor(context.now())
  const hook = createHook()
  return {
    scope: 'registration',
    trigger: trigger.id,
    ...facts,
    wanted: true,
    revision: 1,
    hook,
    secrets: ownSecret(context, trigger, { ...facts, hook }),
    previousUntil: null,
    tenant: null,
    identityId: null,
    applied: null,
    progress: null,
    fence: 0,
    state: 'pending',
    error: null,
    failures: 0,
    dueAt: now,
    createdAt: now,
    updatedAt: now,
  }
}

/** Another account gets a URL and a secret of its own: what the one before knows is of no use any more. */
function changed(
  context: TriggerContext,
  trigger: AnyDynamicTrigger,
  found: RegistrationDocument,
  facts: Facts,
): Partial<RegistrationDocument> {
  const now = Math.floor(context.now())
  const { key: _, connection, ...rest } = facts
  const isOther = found.accountId !== facts.accountId || found.integration !== facts.integration
  const concernsProvider =
    isOther ||
    !found.wanted ||
    sendsOtherEvents(found, trigger) ||
    canonicalJson({ params: found.params }) !== canonicalJson({ params: facts.params })
  const hook = isOther && !found.applied ? createHook() : found.hook
  return {
    ...rest,
    wanted: true,
    updatedAt: now,
    ...(isOther ? { identityId: null, tenant: null } : {}),
    ...(hook === found.hook
      ? placedAt(context.vault, found, facts)
      : { connection, hook, secrets: ownSecret(context, trigger, { id: found.id, ...facts, hook }) }),
    ...(concernsProvider || found.state !== 'active'
      ? { revision: found.revision + 1, dueAt: now, failures: 0, state: 'pending' as const }
      : {}),
  }
}

async function unregister(context: TriggerContext, { trigger, key }: RegistrationName): Promise<boolean> {
  const { store } = context
  const id = registrationId(trigger, checkKey(key))
  for (let tries = 0; tries < maxTries; tries += 1) {
    const found = await store.get(registrations, id)
    if (!found?.wanted) return false
    const now = Math.floor(context.now())
    const set = { wanted: false, revision: found.revision + 1, dueAt: now, failures: 0, updatedAt: now }
    if (!(await store.update(registrations, id, { version: found.version }, { set }))) continue
    await reconcilePatiently(context, id)
    return true
  }
  throw new AuthFlowError('conflict')
}

/** Brings it about and tells how it went. What the provider refuses of a new registration leaves nothing behind. */
async function settle(
  context: TriggerContext,
  id: string,
  { isNew }: { isNew: boolean },
): Promise<RegistrationDocument> {
  const { store } = context
  await reconcilePatiently(context, id)
  const found = await store.get(registrations, id)
  if (found === undefined) throw new AuthFlowError('conflict')
  if (found.state !== 'failed' || found.error === null) return found
  if (isNew && found.applied === null) await store.remove(registrations, id, { version: found.version })
  throw new AuthFlowError(
    isErrorCode(found.error.code) ? found.error.code : 'internal',
    found.error.message,
    {
      details: {
        integration: found.integration,
        ...(found.accountId === null ? {} : { accountId: found.accountId }),
      },
    },
  )
}

async function reconcilePatiently(context: TriggerContext, id: string): Promise<void> {
  for (let tries = 0; tries < busyTries; tries += 1) {
    if ((await reconcile(context, id)) !== 'busy') return
    await new Promise((resolve) => void setTimeout(resolve, busyPauseMs))
  }
}

async function list(
  { store }: TriggerContext,
  { trigger, accountId, limit = 20, cursor }: RegistrationQuery,
): Promise<Page<Registration>> {
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    throw new AuthFlowError('invalid_input', 'limit must be a whole number from 1 to 100.')
  const by =
    accountId !== undefined
      ? { index: 'account', equals: checkAccountId(accountId) }
      : trigger !== undefined
        ? { index: 'trigger', equals: trigger }
        : { index: 'all', equals: 'registration' }
  const page = await store.list(registrations, { ...by, limit, ...(cursor === undefined ? {} : { cursor }) })
  const items = page.items
    .filter((found) => found.wanted && (trigger === undefined || found.trigger === trigger))
    .map(viewOf)
  return page.cursor === undefined ? { items } : { items, cursor: page.cursor }
}

async function rotate(
  context: TriggerContext,
  found: RegistrationDocument,
  actor: string,
): Promise<Registration> {
  const { store, vault } = context
  const { source } = context.definitions.get(found.trigger)
  const { current } = found.secrets
  if (source.kind !== 'registration' || source.secret !== 'own' || current === undefined) {
    throw new AuthFlowError(
      'not_supported',
      `${source.id} signs with a secret that is not this server's to change.`,
    )
  }
  // Opened and sealed anew, so that a secret that can't be read is found here.
  const previous = sealSecret(vault, found, openSecret(vault, found, current))
  const now = Math.floor(context.now())
  const set = {
    secrets: { current: sealSecret(vault, found, createSecret()), previous },
    previousUntil: now + previousSecretMs,
    revision: found.revision + 1,
    dueAt: now,
    updatedAt: now,
  }
  const { id, version, trigger, integration, accountId } = found
  const about = accountId === null ? {} : { connection: { id: null, integration, accountId } }
  const row = {
    action: 'registration.secret_rotated',
    actor: { name: actor, key: actor },
    reason: trigger,
    ...about,
  } as const
  const done = await store.transact([
    updateStep(registrations, id, { version }, { set }),
    auditStep(now, row, context.retention.auditDays),
  ])
  if (!done) throw new AuthFlowError('conflict')
  return viewOf(await settle(context, id, { isNew: false }))
}

async function sweep(context: TriggerContext): Promise<void> {
  const query = {
    index: 'due',
    equals: 'registration',
    from: 0,
    to: Math.floor(context.now()) + 1,
    limit: pageSize,
  }
  const { items } = await context.store.list(registrations, query)
  for (let at = 0; at < items.length; at += atOnce)
    await Promise.all(items.slice(at, at + atOnce).map(({ id }) => reconcile(context, id)))
}

/** A registration as users see it. */
function viewOf(found: RegistrationDocument): Registration {
  const { trigger, key, params, integration, accountId, metadata, state, error, applied } = found
  const iso = (at: number): string => new Date(at).toISOString()
  return {
    trigger,
    key,
    params,
    integration,
    accountId,
    metadata,
    state,
    error,
    expiresAt: applied?.expiresAt === null || applied === null ? null : iso(applied.expiresAt),
    createdAt: iso(found.createdAt),
    updatedAt: iso(found.updatedAt),
  }
}

// Saving a refreshed credential. With rotating tokens the answer of the provider is all there is, so a save is repeated
// until the database takes it, and given up only where a later writer came first.

import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { TokenSet } from '../integrations/integration.ts'
import { updateStep, type Step } from '../store/store.ts'
import { ourselves } from './audit.ts'
import { changeSteps, changeTime } from './changes.ts'
import type { ConnectContext } from './context.ts'
import type { HeldLease } from './held-lease.ts'
import type { ConnectionRecord } from './records.ts'
import { endOf, noRefresh } from './refresh-state.ts'
import { secretBox, tokenSecrets } from './secrets.ts'
import { connectionSet } from './sets.ts'
import { tellMembersOf } from './shared-grant.ts'
import type { Teardowns } from './teardown.ts'
import { connectionView } from './views.ts'

/** How long an unsaved token set is held and its save tried again, in ms. With rotating tokens it is all there is. */
const saveForMs = 10 * 60_000
const longestSaveDelayMs = 2_000

/** What a save works with. */
export interface SaveParts {
  readonly context: ConnectContext
  readonly teardowns: Teardowns
}

/** New tokens for the record as it was when its refresh began. */
export interface Refreshed {
  readonly opened: ConnectionRecord
  readonly tokens: TokenSet
}

/**
 * Saves the new tokens before anybody uses them. True when they are the connection's credential now.
 *
 * Accepted if the credential was written under a smaller fence; so a save whose outcome got lost can be repeated, and
 * disconnect and reconnect, which take greater fences, keep it out. A grant that nobody holds then is ended.
 *
 * @throws {@link AuthFlowError} the store's, after 10 minutes of tries where repeating may help
 */
export async function saveRefreshed(
  parts: SaveParts,
  lease: HeldLease,
  refreshed: Refreshed,
): Promise<boolean> {
  const { context } = parts
  const { opened } = refreshed
  const giveUpAt = performance.now() + saveForMs
  for (let tries = 1; ; tries += 1) {
    try {
      if (await saveAsOpened(context, lease, refreshed)) return true
      const outcome = await saveLate(parts, lease, refreshed)
      if (outcome !== 'again') return outcome === 'saved'
      if (performance.now() > giveUpAt) throw new AuthFlowError('conflict')
    } catch (error) {
      const isOurs = isAuthFlowError(error) && !error.retryable
      if (isOurs || performance.now() > giveUpAt) throw error
      context.log.error(
        { connectionId: opened.id, tries },
        'refreshed credentials could not be saved yet; they are held in memory and the save is repeated',
      )
    }
    await delay(Math.min(longestSaveDelayMs, 50 * 2 ** Math.min(tries, 10)))
  }
}

/** The ordinary case: nothing was written since the intent. */
function saveAsOpened(context: ConnectContext, lease: HeldLease, refreshed: Refreshed): Promise<boolean> {
  const { id, version } = refreshed.opened
  const match = { version, credFence: { lessThan: lease.fence } }
  return context.store.update(connectionSet, id, match, { set: changeOf(context, lease, refreshed) })
}

/**
 * Somebody wrote meanwhile: the lease was lost, or a save's outcome. What was written since stays: an intent of a later
 * holder, whose call may be under way, and values that have nothing to do with the tokens.
 */
async function saveLate(
  parts: SaveParts,
  lease: HeldLease,
  refreshed: Refreshed,
): Promise<'saved' | 'superseded' | 'again'> {
  const { context } = parts
  const { store } = context
  const { id } = refreshed.opened
  const current = await store.get(connectionSet, id)
  if (!current || current.credFence > lease.fence) {
    await giveUpGrant(parts, refreshed, current)
    return 'superseded'
  }
  const updatedAt = changeTime(context, current)
  const set = { ...changeOf(context, lease, { ...refreshed, opened: current }), updatedAt }
  const recovered = current.state === 'needs_reauth'
  if (current.credFence < lease.fence) {
    const later = current.refresh !== null && current.refresh.fence > lease.fence
    const { refresh, refreshOpen, refreshStartedAt } = current
    const change = { set: later ? { ...set, refresh, refreshOpen, refreshStartedAt } : set }
    const update = updateStep(connectionSet, id, { version: current.version }, change)
    const told = recovered ? recoveredSteps(context, { ...current, ...set }) : []
    if (!(await store.transact([update, ...told]))) return 'again'
  }
  // While the lease was lost another may have told that it does not work; whoever heard that must hear this.
  if (recovered || lease.lost) {
    if (current.kind === 'grant') await tellMembersOf(context, { grantId: id })
    else await context.changed({ type: 'connected', connection: connectionView({ ...current, ...set }) })
  }
  return 'saved'
}

/** A credential that connections share is none itself: they are told one by one. */
const recoveredSteps = (context: ConnectContext, connection: ConnectionRecord): Step[] =>
  connection.kind === 'grant'
    ? []
    : changeSteps(context, { action: 'connection.recovered', actor: ourselves, connection })

function changeOf(
  context: ConnectContext,
  lease: HeldLease,
  { opened, tokens }: Refreshed,
): Omit<Partial<ConnectionRecord>, 'id' | 'version'> {
  const now = context.store.now()
  const sealed = secretBox(context.vault, 'credential').seal(opened, tokenSecrets(tokens))
  return {
    ...noRefresh,
    state: 'active',
    reason: null,
    secrets: { ...opened.secrets, ...sealed },
    issuedAt: now,
    expiresAt: endOf(tokens, now),
    scopes: tokens.scopes ?? opened.scopes,
    credFence: lease.fence,
    updatedAt: now,
  }
}

/** A later writer came first. If that was a disconnect, nobody holds the new grant: it is ended at the provider. */
async function giveUpGrant(
  { context, teardowns }: SaveParts,
  { opened, tokens }: Refreshed,
  current: ConnectionRecord | undefined,
): Promise<void> {
  if (current?.state !== 'disconnected') return
  const { id: connectionId, integration, accountId, identityKey, fields, scopes, via } = opened
  const formSecrets = secretBox(context.vault, 'credential').openAll(opened, opened.secrets)
  const secrets = { ...formSecrets, ...tokenSecrets(tokens) }
  const made = via === undefined ? {} : { via }
  await teardowns.abandon({
    connectionId,
    integration,
    accountId,
    identityKey,
    fields,
    scopes,
    secrets,
    ...made,
  })
}

// Remembers, in this tab only, which flow is out at the provider, so that a reload or the way back from a redirect
// finds it again. A flow id names a flow and proves nothing.

import { returnParameter, type ConnectPurpose } from '../../shared/flow.ts'

/** A flow that was left at the provider. */
export interface PendingFlow {
  /** The flow's id. */
  readonly id: string
  /** What it was begun for. */
  readonly purpose: ConnectPurpose
}

/** Whose flow it is. */
export interface FlowOwner {
  readonly integration: string
  readonly accountId?: string | undefined
}

const key = ({ integration, accountId = '' }: FlowOwner): string => `authflow:${integration}:${accountId}`

/** Undefined where it is off: the flow goes on, only a reload forgets it. */
function storage(): Storage | undefined {
  try {
    return sessionStorage
  } catch {
    return undefined
  }
}

/** Remembers a flow, or forgets it. */
export function rememberFlow(owner: FlowOwner, flow: PendingFlow | undefined): void {
  if (flow) storage()?.setItem(key(owner), `${flow.id} ${flow.purpose}`)
  else storage()?.removeItem(key(owner))
}

/**
 * The flow to take up on this page, if there is one.
 *
 * @param alone true where no other flow can be meant by the page's URL, so that it counts without a memory
 */
export function findPending(
  owner: FlowOwner,
  alone: boolean,
): (PendingFlow & { readonly returned: boolean }) | undefined {
  const returned = new URLSearchParams(location.search).get(returnParameter)
  const [known, purpose] = storage()?.getItem(key(owner))?.split(' ') ?? []
  const id = known || (alone && returned)
  return id
    ? { id, purpose: purpose === 'reconnect' ? purpose : 'create', returned: id === returned }
    : undefined
}

/** Takes the flow id out of the page's URL, without a navigation. */
export function cleanReturnUrl(): void {
  const url = new URL(location.href)
  url.searchParams.delete(returnParameter)
  history.replaceState(history.state, '', url)
}

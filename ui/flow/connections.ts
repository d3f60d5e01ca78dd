// An account's connections as a store: one token and one call for any number of integrations.

import type { Connection } from '../../shared/auth.ts'
import type { ErrorReply } from '../../shared/errors.ts'
import { asConnectError } from './connect-error.ts'
import { ServerLine } from './server-line.ts'
import type { ConnectTokenSource } from './token.ts'

/** What {@link createConnections} takes. Read when needed, so that an object with getters may change them. */
export interface ConnectionsOptions {
  /** Ids of the integrations. */
  readonly integrations: readonly string[]
  /** The account as the page claims it; the connect token proves it. */
  readonly accountId?: string | undefined
  /** The connect server (default: the one of `configureAuthFlow`). */
  readonly endpoint?: string | undefined
  /** URL of the host's backend that mints connect tokens: POST with cookies, body `{ integrations, purpose }`. */
  readonly tokenUrl?: string | undefined
  /** A connect token or a function that gets one; goes before `tokenUrl`. */
  readonly connectToken?: ConnectTokenSource | undefined
}

/** What is known of the connections, at one moment. Never changes; every change makes a new one. */
export interface ConnectionsSnapshot {
  /** `loading` also while they are read again. */
  readonly state: 'idle' | 'loading' | 'ready' | 'failed'
  /** Active ones and those that need a reconnect. Stay while they are read again, and when that fails. */
  readonly connections: readonly Connection[]
  /** Present while `state` is `failed`. */
  readonly error: ErrorReply | undefined
}

/** An account's connections. */
export interface ConnectionList {
  /** What is known now. The same object until something changes. */
  readonly getSnapshot: () => ConnectionsSnapshot
  /** Calls back after every change; gives the function that ends it. */
  readonly subscribe: (listener: () => void) => () => void
  /** Reads the connections. Never rejects: the snapshot has the error. */
  readonly refresh: () => Promise<void>
}

/** A list that reads nothing before its first `refresh`. */
export function createConnections(options: ConnectionsOptions): ConnectionList {
  const listeners = new Set<() => void>()
  let line: ServerLine | undefined
  let snapshot: ConnectionsSnapshot = { state: 'idle', connections: [], error: undefined }
  const set = (patch: Partial<ConnectionsSnapshot>): void => {
    snapshot = { ...snapshot, error: undefined, ...patch }
    for (const listener of listeners) listener()
  }
  return {
    getSnapshot: () => snapshot,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async refresh() {
      set({ state: 'loading' })
      try {
        line ??= new ServerLine(options)
        set({ state: 'ready', connections: await line.connections() })
      } catch (error) {
        set({ state: 'failed', error: asConnectError(error) })
      }
    },
  }
}

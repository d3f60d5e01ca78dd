// The integrations of one server by their id.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Integration } from './integration.ts'

/** Looks integrations up. */
export interface IntegrationRegistry {
  /** In the order they were given. */
  readonly all: readonly Integration[]
  /** Throws `unknown_integration`. */
  get(id: string): Integration
  find(id: string): Integration | undefined
}

/**
 * The integrations by id.
 *
 * @throws {@link AuthFlowError} `duplicate_integration`, naming the id
 */
export function createRegistry(integrations: readonly Integration[]): IntegrationRegistry {
  const byId = new Map<string, Integration>()
  for (const integration of integrations) {
    const { id } = integration
    if (byId.has(id)) {
      throw new AuthFlowError(
        'duplicate_integration',
        `Two integrations have the id ${id}. Give each its own.`,
        {
          details: { integration: id },
        },
      )
    }
    byId.set(id, integration)
  }
  return {
    all: [...byId.values()],
    find: (id) => byId.get(id),
    get(id) {
      const found = byId.get(id)
      if (found) return found
      const text = 'No integration has this id. Check the `integration` attribute and the server’s list.'
      throw new AuthFlowError('unknown_integration', text, { details: { integration: id.slice(0, 64) } })
    },
  }
}

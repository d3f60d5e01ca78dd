// What this process knows of triggers: dynamic ones by their id, app sources by their integration, endpoints by theirs.

import { AuthFlowError } from '../../shared/errors.ts'
import type { AppSource } from '../integrations/webhook-source.ts'
import type { HttpEndpoint } from './http-trigger.ts'
import type { AnyDynamicTrigger } from './registration.ts'

/** Definitions of triggers. They are code: every process of a deployment has the same. */
export class TriggerDefinitions {
  readonly #dynamic = new Map<string, AnyDynamicTrigger>()
  readonly #apps = new Map<string, AppSource<unknown>>()
  readonly #endpoints = new Map<string, HttpEndpoint>()

  /** Adds a dynamic trigger. Throws `duplicate_trigger`. */
  define(trigger: AnyDynamicTrigger): void {
    const { id, source } = trigger
    if (this.#dynamic.has(id)) {
      throw new AuthFlowError('duplicate_trigger', `The dynamic trigger ${id} is defined twice.`)
    }
    this.#dynamic.set(id, trigger)
    // All sources of one app verify alike; which of them a delivery is for is told by its tenant.
    if (source.kind === 'app') this.#apps.set(source.integration.id, source)
  }

  /** Adds an endpoint; the same again does nothing. Throws `duplicate_trigger` for another with its id. */
  defineEndpoint(endpoint: HttpEndpoint): void {
    const known = this.#endpoints.get(endpoint.id)
    if (known !== undefined && known !== endpoint) {
      throw new AuthFlowError('duplicate_trigger', `The endpoint ${endpoint.id} is defined twice.`)
    }
    this.#endpoints.set(endpoint.id, endpoint)
  }

  /** The trigger, if this process has it. */
  find(id: string): AnyDynamicTrigger | undefined {
    return this.#dynamic.get(id)
  }

  /** The trigger. Throws `unknown_trigger`. */
  get(id: string): AnyDynamicTrigger {
    const found = this.#dynamic.get(id)
    if (found) return found
    throw new AuthFlowError('unknown_trigger', `There is no dynamic trigger ${String(id).slice(0, 64)}.`)
  }

  /** True when a trigger makes something at the provider with credentials of the integration. */
  registersAt(integration: string): boolean {
    return [...this.#dynamic.values()].some(
      ({ source }) => source.kind === 'registration' && source.integration.id === integration,
    )
  }

  /** The app source of an integration, if a trigger uses one. */
  app(integration: string): AppSource<unknown> | undefined {
    return this.#apps.get(integration)
  }

  /** The endpoint, if this process has it. */
  endpoint(id: string): HttpEndpoint | undefined {
    return this.#endpoints.get(id)
  }
}

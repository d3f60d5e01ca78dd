// An integration whose credentials are not known yet. What is asked of it is noted down (`base('b').table('t')
// .getRecords('all')`) and done on the real one once it is there; the caller gets a promise either way. So credentials
// are looked up only when they are needed, and a call can be made again with fresh ones.

import type { Integration } from '../integrations/integration.ts'

/** One step of a call: reading a member, or calling what was read. */
export type CallStep =
  | { readonly type: 'get'; readonly name: string }
  | { readonly type: 'call'; readonly args: readonly unknown[] }

/** Does the steps on the real integration. */
export type MakeCall = (steps: readonly CallStep[]) => Promise<unknown>

/**
 * Stands in for an integration. Plain values (`id`, `metadata`) are read from the one given; methods, and the methods
 * of objects it has, return promises.
 */
export function deferIntegration<I extends Integration>(integration: I, makeCall: MakeCall): I {
  return new Proxy(integration, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      const plain = typeof value !== 'function' && typeof value !== 'object'
      if (typeof name === 'symbol' || name === 'metadata' || name === 'constructor') return value
      if (plain && (value !== undefined || !(name in target))) return value
      return deferMember([{ type: 'get', name }], makeCall)
    },
  })
}

/**
 * Does the steps.
 *
 * @throws TypeError when something that is called is no function
 */
export function followSteps(start: unknown, steps: readonly CallStep[]): unknown {
  let owner: unknown
  let value = start
  let place = 'io'
  for (const step of steps) {
    if (step.type === 'get') {
      owner = value
      value = typeof value === 'object' && value !== null ? Reflect.get(value, step.name, value) : undefined
      place = step.name
    } else {
      if (typeof value !== 'function') throw new TypeError(`${place} is not a function of the integration.`)
      value = Reflect.apply(value, owner, step.args)
    }
  }
  return value
}

function deferMember(steps: readonly CallStep[], makeCall: MakeCall): object {
  return new Proxy(() => undefined, {
    // Not thenable, so that `await io.slack.chat` gives the member back.
    get: (_, name) =>
      typeof name === 'symbol' || name === 'then'
        ? undefined
        : deferMember([...steps, { type: 'get', name }], makeCall),
    apply: (_, __, args: unknown[]) => deferCall([...steps, { type: 'call', args }], makeCall),
  })
}

function deferCall(steps: readonly CallStep[], makeCall: MakeCall): object {
  let outcome: Promise<unknown> | undefined
  let isPrefix = false
  const start = (): Promise<unknown> => {
    if (outcome === undefined) {
      outcome = makeCall(steps)
      // A call that nobody awaits still happens, and its failure is the run's to show, not the process's to die of.
      outcome.catch(() => undefined)
    }
    return outcome
  }
  // Real methods start when they are called, not when they are awaited. A step on the way to one is not a call yet.
  queueMicrotask(() => {
    if (!isPrefix) void start()
  })
  return new Proxy(() => undefined, {
    get(_, name) {
      if (typeof name === 'symbol') return undefined
      if (name === 'then' || name === 'catch' || name === 'finally') {
        const promise = start()
        return promise[name].bind(promise)
      }
      isPrefix = true
      return deferMember([...steps, { type: 'get', name }], makeCall)
    },
  })
}

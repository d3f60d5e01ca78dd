// Keeps refreshes away from a token host that is down. Each connection waits for itself after a failure; with thousands
// of connections that is still thousands of requests to a host that has just come up. Here one host is one circuit:
// closed while it works, open after failures in a row, and then tried by one request at a time.
//
// A circuit belongs to a process. Sharing it would cost a write per failure, and a process that loses its own way to the
// host must not stop the others.

import { isAuthFlowError } from '../../shared/errors.ts'

/** Failures in a row that open a circuit. */
const failuresToOpen = 5
/** How long it stays open, in ms: doubles with every probe that fails. Spread over the upper half. */
const firstOpenMs = 2_000
const longestOpenMs = 60_000
/** While a probe is under way, others come back after this long, in ms. */
const probeWaitMs = 1_000
/** Circuits kept: hosts may be of the users' choice. The one that was used longest ago is forgotten first. */
const maxCircuits = 1_000

/** Leave for one request to a host. It is ended by exactly one of its calls; further ones do nothing. */
export interface Permit {
  /** The host answered; an error is what the request ended with. Only failures of the host itself count against it. */
  settle(error?: unknown): void
  /** No request was made. */
  abandon(): void
}

/** The circuits of one process. */
export interface Breakers {
  /** A permit, or how many ms to wait while the circuit of that host is open. */
  enter(host: string): Permit | { readonly waitMs: number }
}

interface Circuit {
  /** Failures in a row while it was closed. */
  failures: number
  /** When it may be probed; undefined while it is closed. */
  probeAt: number | undefined
  /** Probes that failed since it opened. */
  failedProbes: number
  probing: boolean
}

const closed = { failures: 0, probeAt: undefined, failedProbes: 0 } as const

/** Closed circuits for every host. `now` in ms; it may jump. */
export function createBreakers(now: () => number): Breakers {
  const circuits = new Map<string, Circuit>()
  return {
    enter(host) {
      const circuit = circuits.get(host) ?? { ...closed, probing: false }
      remember(circuits, host, circuit)
      if (circuit.probeAt === undefined) return permitOf(circuit, { now, probe: false })
      const waitMs = circuit.probeAt - now()
      // A clock that was set back must not keep a circuit open for longer than it would have been.
      if (waitMs > 0 && waitMs <= longestOpenMs) return { waitMs }
      if (circuit.probing) return { waitMs: probeWaitMs }
      circuit.probing = true
      return permitOf(circuit, { now, probe: true })
    },
  }
}

function permitOf(
  circuit: Circuit,
  { now, probe }: { readonly now: () => number; readonly probe: boolean },
): Permit {
  let ended = false
  const end = (then: () => void): void => {
    if (ended) return
    ended = true
    if (probe) circuit.probing = false
    then()
  }
  return {
    abandon: () => end(() => undefined),
    settle: (error) =>
      end(() => {
        if (!isHostFailure(error)) return void Object.assign(circuit, closed)
        if (probe) circuit.failedProbes += 1
        // What was sent before the circuit opened is no probe: it neither prolongs nor shortens the wait.
        else if (circuit.probeAt !== undefined || (circuit.failures += 1) < failuresToOpen) return
        circuit.probeAt = now() + openMs(circuit.failedProbes)
      }),
  }
}

/** No answer, or one that says that the host fails. Rate limits are the client's own, so they open nothing. */
function isHostFailure(error: unknown): boolean {
  if (!isAuthFlowError(error) || error.code !== 'provider_unavailable') return false
  const { status } = error.details
  return status === undefined || status >= 500
}

function openMs(probes: number): number {
  const full = Math.min(longestOpenMs, firstOpenMs * 2 ** Math.min(probes, 20))
  return full / 2 + (Math.random() * full) / 2
}

/** Puts the circuit last, and forgets the first one where there are too many. */
function remember(circuits: Map<string, Circuit>, host: string, circuit: Circuit): void {
  circuits.delete(host)
  circuits.set(host, circuit)
  if (circuits.size <= maxCircuits) return
  const [oldest] = circuits.keys()
  if (oldest !== undefined) circuits.delete(oldest)
}

// Keeps runs from asking a host that answers nobody: after a row of failed requests by more than one identity, nothing is
// sent for a while, then one request tries. A failure is a status of 500 and above or no answer at all. What one account
// does wrong never counts for the others. Each process learns for itself.

const failuresToOpen = 8
const identitiesToOpen = 2
const shortestMs = 5000
const longestMs = 60_000
/** Who comes while one request tries looks again after this. */
const probeMs = 1000
/** Failures that lie so far apart are no row. */
const rowMs = 60_000
const maxHosts = 10_000

interface HostRecord {
  failures: number
  readonly identities: Set<string>
  lastAt: number
  openUntil: number
  openMs: number
  /** Until when a request that tries is waited for. */
  probeUntil: number
}

/** The hosts that one engine's runs talk to. */
export class HostBreaker {
  readonly #now: () => number
  readonly #random: () => number
  readonly #hosts = new Map<string, HostRecord>()

  constructor({ now, random }: { now: () => number; random: () => number }) {
    this.#now = now
    this.#random = random
  }

  /** When a request to the host may go: now, or later. */
  ask(host: string): number {
    const now = this.#now()
    const record = this.#hosts.get(host)
    if (record === undefined || record.openUntil === 0) return now
    const spread = Math.round(probeMs * this.#random())
    if (record.openUntil > now) return record.openUntil + spread
    if (record.probeUntil > now) return now + probeMs + spread
    record.probeUntil = now + shortestMs
    return now
  }

  /** A request came to its end. */
  note(host: string, identity: string, isFailure: boolean): void {
    if (!isFailure) return void this.#hosts.delete(host)
    const now = this.#now()
    const known = this.#hosts.get(host)
    const record = known !== undefined && now - known.lastAt <= rowMs ? known : fresh()
    if (record !== known) this.#keep(host, record)
    record.failures += 1
    record.lastAt = now
    if (record.identities.size < identitiesToOpen) record.identities.add(identity)
    const isTried = record.openUntil > 0 && record.openUntil <= now
    const isRow = record.failures >= failuresToOpen && record.identities.size >= identitiesToOpen
    if (!isTried && (record.openUntil > 0 || !isRow)) return
    record.openMs = Math.min(longestMs, Math.max(shortestMs, record.openMs * 2))
    record.openUntil = now + record.openMs
    record.probeUntil = 0
  }

  #keep(host: string, record: HostRecord): void {
    this.#hosts.set(host, record)
    const [oldest] = this.#hosts.keys()
    if (this.#hosts.size > maxHosts && oldest !== undefined) this.#hosts.delete(oldest)
  }
}

const fresh = (): HostRecord => ({
  failures: 0,
  identities: new Set(),
  lastAt: 0,
  openUntil: 0,
  openMs: 0,
  probeUntil: 0,
})

// Webhook requests of the stand-ins: signed and sent like the provider's own, remembered, and sent again when a test or
// a person asks for it, as providers' pages let one do.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Mutable } from '../../shared/mutable.ts'

/** A webhook request that a stand-in sent. */
export interface SandboxDelivery {
  /** The stand-in's own name for it. */
  readonly id: string
  /** Where to. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** As it was signed. */
  readonly body: string
  /** Status of the last answer; 0 where there was none, null before it. */
  readonly status: number | null
  /** How often it was sent. */
  readonly attempts: number
}

/** Sends webhook requests and remembers them. */
export interface Courier {
  /** Sends in the background. */
  send(delivery: Pick<SandboxDelivery, 'id' | 'url' | 'headers' | 'body'>): void
  /** Sends one again, exactly as it was, and waits for the answer. Throws `not_found`. */
  redeliver(id: string): Promise<SandboxDelivery>
  /** Everything that was sent since the start, oldest first; the last 1000. */
  deliveries(): readonly SandboxDelivery[]
  /** Resolves once nothing is under way. */
  settled(): Promise<void>
}

const remembered = 1000
const timeoutMs = 10_000
/** Providers try again; three times is enough to see it. */
const pausesMs = [0, 200, 1000]

type Row = Mutable<SandboxDelivery>

/** A courier of one stand-in. */
export function createCourier(): Courier {
  const rows: Row[] = []
  const running = new Set<Promise<void>>()
  const post = async (row: Row): Promise<void> => {
    row.attempts += 1
    try {
      if (!isLoopback(row.url)) throw new TypeError('not this machine')
      const { url, headers, body } = row
      const signal = AbortSignal.timeout(timeoutMs)
      const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal })
      await response.arrayBuffer()
      row.status = response.status
    } catch {
      row.status = 0
    }
  }
  const deliver = async (row: Row): Promise<void> => {
    for (const pause of pausesMs) {
      await new Promise((resolve) => setTimeout(resolve, pause).unref())
      await post(row)
      if (row.status !== null && row.status >= 200 && row.status < 300) return
    }
  }
  return {
    send(delivery) {
      const row: Row = { ...delivery, status: null, attempts: 0 }
      rows.push(row)
      if (rows.length > remembered) rows.shift()
      const job = deliver(row).finally(() => running.delete(job))
      running.add(job)
    },
    async redeliver(id) {
      const row = rows.find((one) => one.id === id)
      if (!row) throw new AuthFlowError('not_found', 'The stand-in sent no such delivery.')
      await post(row)
      return { ...row }
    },
    deliveries: () => rows.map((row) => ({ ...row })),
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

/** Nothing of a stand-in leaves the machine. */
const isLoopback = (url: string): boolean =>
  URL.canParse(url) && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname)

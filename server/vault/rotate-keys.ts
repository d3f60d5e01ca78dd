// Key rotation while the server runs: everything that was sealed with another key is sealed with the one that writes.
// Walks twice: once from where an earlier rotation stopped, and once more over all of it, which proves what is left.

import { setTimeout as delay } from 'node:timers/promises'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Store } from '../store/store.ts'
import { listProcesses } from './ring-presence.ts'
import { RotationPass, type RotationLeft } from './rotation-pass.ts'
import { holdRotation, type HeldRotation, type RotationPlace } from './rotation-record.ts'
import type { SealedSet } from './sealed-set.ts'
import type { Vault } from './vault.ts'

/** How long to come back to busy records by default, and how often, in ms. */
const defaultWaitMs = 30_000
const comeBackMs = 1_000
/** Progress is written no more often than this. */
const saveEveryMs = 500

/** How far a rotation is. */
export interface RotationProgress {
  /** `reseal`: the first walk. `check`: a walk that looks for what is left. `wait`: until busy records are free. */
  readonly phase: 'reseal' | 'check' | 'wait'
  /** Name of the set that is being read. */
  readonly set: string
  /** Documents looked at in this phase. */
  readonly seen: number
  /** Documents sealed anew so far. */
  readonly resealed: number
}

/** What the caller of a rotation may say. */
export interface RotateOptions {
  /** Told after each page. What it throws ends the rotation. */
  readonly onProgress?: (progress: RotationProgress) => void
  /** Ends the rotation after the current page; the next one goes on there. */
  readonly signal?: AbortSignal
  /** How long to come back to records that are busy, such as an open refresh, in ms (default 30,000). */
  readonly waitMs?: number
}

/** What {@link rotateKeys} works on. */
export interface RotateKeysOptions extends RotateOptions {
  readonly store: Store
  readonly vault: Vault
  readonly environment: string
  /** Every set with sealed values. */
  readonly sealedSets: readonly SealedSet[]
}

/** What a rotation came to. */
export interface RotationResult {
  /** The key that seals everything but what is left. */
  readonly kid: string
  /** `done`: nothing is left. `left`: rotate again later. `stopped`: by the signal; rotate again to go on. */
  readonly outcome: 'done' | 'left' | 'stopped'
  /** Documents that were sealed anew by this call. */
  readonly resealed: number
  /** What still has values of other keys, by set and reason; not complete when stopped. */
  readonly left: readonly RotationLeft[]
}

/**
 * Seals everything with the key that writes, while others read and write the store. Safe to kill at any point and to
 * repeat. Records that are in use just now, an open refresh or flow, are left alone and looked at again until `waitMs`
 * are over.
 *
 * @throws {@link AuthFlowError} `key_not_rolled_out` when a live process can't read the key that writes,
 *   `rotation_running`, and the store's
 */
export async function rotateKeys(options: RotateKeysOptions): Promise<RotationResult> {
  const { store, vault, environment } = options
  await requireReaders(store, vault, environment)
  const held = await holdRotation(store, environment, vault.currentKid)
  try {
    return await new Rotation(options, held).run()
  } finally {
    await held.release()
  }
}

/** Whoever lacks the key would fail at the first record that was sealed with it. */
async function requireReaders(store: Store, vault: Vault, environment: string): Promise<void> {
  const processes = await listProcesses(store, environment)
  const without = processes.filter(({ kids }) => !kids.includes(vault.currentKid))
  const [first] = without
  if (!first) return
  throw new AuthFlowError(
    'key_not_rolled_out',
    `The key \`${vault.currentKid}\` is not in the ring of ${without.length} running processes, such as ${first.process}. Roll it out second in \`encryptionKeys\` everywhere, then put it first, then rotate.`,
    { details: { option: 'encryptionKeys' } },
  )
}

class Rotation {
  readonly #options: RotateKeysOptions
  readonly #held: HeldRotation
  readonly #stop = new AbortController()
  #resealed = 0
  #savedAt = 0

  constructor(options: RotateKeysOptions, held: HeldRotation) {
    this.#options = options
    this.#held = held
  }

  async run(): Promise<RotationResult> {
    const { signal, waitMs = defaultWaitMs } = this.#options
    const stop = (): void => this.#stop.abort()
    const sources = [this.#held.lost, ...(signal ? [signal] : [])]
    for (const source of sources) {
      if (source.aborted) stop()
      source.addEventListener('abort', stop, { once: true })
    }
    try {
      let pass = await this.#walk('reseal', this.#held.resumeAt)
      const giveUpAt = performance.now() + waitMs
      for (;;) {
        if (this.#stop.signal.aborted) return this.#result('stopped', pass)
        pass = await this.#walk('check')
        if (this.#stop.signal.aborted) return this.#result('stopped', pass)
        if (!pass.left.some(isBusy) || performance.now() > giveUpAt) break
        this.#report('wait', pass, pass.left[0]?.set ?? '')
        await delay(comeBackMs, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      }
      await this.#held.save({ at: null, resealed: this.#resealed })
      return this.#result(pass.left.length === 0 ? 'done' : 'left', pass)
    } finally {
      for (const source of sources) source.removeEventListener('abort', stop)
      this.#held.lost.throwIfAborted()
    }
  }

  async #walk(phase: 'reseal' | 'check', from?: RotationPlace): Promise<RotationPass> {
    const { store, vault, sealedSets } = this.#options
    const before = this.#resealed
    const pass: RotationPass = new RotationPass({
      store,
      vault,
      sealedSets,
      signal: this.#stop.signal,
      onPage: async (place) => {
        this.#resealed = before + pass.resealed
        this.#report(phase, pass, place.set)
        if (phase === 'reseal') await this.#save(place)
      },
    })
    await pass.walk(from)
    this.#resealed = before + pass.resealed
    return pass
  }

  #report(phase: RotationProgress['phase'], pass: RotationPass, set: string): void {
    this.#options.onProgress?.({ phase, set, seen: pass.seen, resealed: this.#resealed })
  }

  async #save(at: RotationPlace): Promise<void> {
    const stopping = this.#stop.signal.aborted
    if (!stopping && performance.now() - this.#savedAt < saveEveryMs) return
    await this.#held.save({ at, resealed: this.#resealed })
    this.#savedAt = performance.now()
  }

  #result(outcome: RotationResult['outcome'], pass: RotationPass): RotationResult {
    return {
      kid: this.#options.vault.currentKid,
      outcome,
      resealed: this.#resealed,
      left: pass.left,
    }
  }
}

/** Waiting helps with these; what can't be read or is not declared stays as it is. */
const isBusy = ({ reason }: RotationLeft): boolean => reason !== 'unreadable' && reason !== 'undeclared'

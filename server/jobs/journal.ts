// The journal of a run: what its tasks, waits and log lines came to. It is read once per execution and appended to
// under the run's fence, so that a worker that lost the run can't write into it.

import { AuthFlowError } from '../../shared/errors.ts'
import type { Change, Match, NewDocument, Store } from '../store/store.ts'
import type { VaultSession } from '../vault/vault.ts'
import { persist } from './core.ts'
import { runs, taskId, tasks, type JournalEntry, type RunDocument, type TaskDocument } from './records.ts'

/** Results of a run that together have more characters than this are stored beside it. */
const inlineLimit = 256 * 1024
const stateLimit = 32 * 1024 * 1024
/** What a run's own record may hold of it, in characters; the store takes documents of 12 MB. */
const recordLimit = 8 * 1024 * 1024
const entryLimit = 10_000
/** What an entry takes beside its output and error, roughly. */
const entryOverhead = 160
/** The id of a run that an entry started. */
const childOverhead = 52
const pageSize = 200

/** The worker's claim on a run, as every write of the run names it. */
export interface Claim {
  readonly owner: string
  readonly fence: number
}

/** Thrown when another worker has taken the run over. Never leaves the engine. */
export class ClaimLost extends Error {}

/** What a journal needs. */
export interface JournalOptions {
  readonly store: Store
  readonly session: VaultSession
  readonly claim: Claim
  /** False once the execution is over: writes are no longer worth repeating. */
  readonly wanted: () => boolean
  /** Called when a task of a suspect run has committed: the run is cleared. */
  readonly onCleared: () => void
  /** Called when a write finds that the run was cancelled. What was written is stored all the same. */
  readonly onCancelled: () => void
}

/** The journal of one run during one execution. */
export class Journal {
  readonly #options: JournalOptions
  readonly #runId: string
  readonly #entries = new Map<string, JournalEntry>()
  #buffered: JournalEntry[] = []
  /** Results among the buffered entries. */
  #results = 0
  /** The write that is under way of results handed out before. */
  #writing: Promise<void> | undefined
  #flushSoon: NodeJS.Immediate | undefined
  /** The proof that results beside the run wait for. */
  #proof: Promise<void> | undefined
  #size = 0
  #besideSize = 0
  #overflowed: boolean
  #suspect: boolean
  #cancelled = false
  #seq = 0
  /** True when a later entry replaced an earlier one, so that a rewrite would make the record smaller. */
  #superseded = false

  constructor(run: RunDocument, beside: readonly TaskDocument[], options: JournalOptions) {
    this.#options = options
    this.#runId = run.id
    this.#overflowed = run.overflowed ?? false
    this.#suspect = run.suspect ?? false
    if (run.journal !== undefined || beside.length > 0)
      for (const entry of entriesOf(run, beside)) this.#enter(entry)
    for (const { entry } of beside) this.#besideSize += sizeOf(entry)
  }

  /** The last entry of a path. */
  get(path: string): JournalEntry | undefined {
    return this.#entries.get(path)
  }

  /** Entries of the kinds, in no order that holds over replays. */
  ofKinds(...kinds: readonly JournalEntry['kind'][]): JournalEntry[] {
    const found: JournalEntry[] = []
    for (const entry of this.#entries.values()) if (kinds.includes(entry.kind)) found.push(entry)
    return found
  }

  /** The place of the next status or value: behind all that were written before. */
  nextSeq(): number {
    this.#seq += 1
    return this.#seq
  }

  /** True when there is a task that acted through the integration of the given key. */
  wasUsed(connectionKey: string): boolean {
    for (const entry of this.#entries.values()) if (entry.connection === connectionKey) return true
    return false
  }

  /** Seals a value of this run. */
  seal(value: string, field: string): string {
    return this.#options.session.seal(value, field)
  }

  /** Opens a value of this run. */
  open(sealed: string, field: string): string {
    return this.#options.session.open(sealed, field)
  }

  /**
   * Checks that one more entry may be made.
   *
   * @throws {@link AuthFlowError} `too_many_tasks`
   */
  assertRoom(): void {
    if (this.#entries.size >= entryLimit) {
      throw new AuthFlowError(
        'too_many_tasks',
        `A run may have ${entryLimit} tasks, waits and log lines. Send events that start runs for parts of the work.`,
        { details: { limit: entryLimit } },
      )
    }
  }

  /**
   * Stores an entry; resolves with what is stored, which for a large result may be one that another worker had stored
   * before.
   *
   * @throws {@link ClaimLost}, {@link AuthFlowError} `run_too_large`
   */
  async append(entry: JournalEntry): Promise<JournalEntry> {
    const size = this.#assertState(entry)
    const final = entry.state === 'succeeded' || entry.state === 'failed'
    if (final && this.#size + size > inlineLimit) return this.#appendBeside(entry)
    if (!final) this.#assertInline(size)
    const cleared = final && this.#suspect
    await this.#push(this.takeBuffered(entry), cleared ? { unset: ['suspect', 'alone', 'strikes'] } : {})
    if (cleared) {
      this.#suspect = false
      this.#options.onCleared()
    }
    this.#enter(entry)
    return entry
  }

  /**
   * Keeps an entry for the next write. What a crash loses of these is made again by the replay.
   *
   * @throws {@link AuthFlowError} `run_too_large`
   */
  buffer(entry: JournalEntry): void {
    this.#assertInline(sizeOf(entry))
    this.#enter(entry)
    this.#buffered.push(entry)
  }

  /**
   * Takes the result of a task in and stores it at the next turn of the event loop, or with the end of the run if that
   * comes first, which saves the write. True when it was taken: what is to be stored beside the run, or clears a
   * suspect, is not. Nothing with an effect may begin before {@link settled}.
   *
   * @throws {@link AuthFlowError} `run_too_large`
   */
  takeResult(entry: JournalEntry, onLost: (error: unknown) => void): boolean {
    const size = this.#assertState(entry)
    if (this.#suspect || this.#size + size > inlineLimit) return false
    this.#enter(entry)
    this.#buffered.push(entry)
    this.#results += 1
    this.#flushSoon ??= setImmediate(() => {
      this.#flushSoon = undefined
      this.flush().catch(onLost)
    })
    return true
  }

  /**
   * Resolves when every result taken in is stored. Undefined when there is nothing to wait for.
   *
   * @throws {@link ClaimLost}
   */
  settled(): Promise<void> | undefined {
    return this.#results > 0 ? this.flush() : this.#writing
  }

  /**
   * Resolves when what is being written is through; what could not be stored goes with the closing change. Undefined
   * when nothing is being written.
   *
   * @throws {@link ClaimLost}
   */
  written(): Promise<void> | undefined {
    return this.#writing?.catch((error: unknown) => {
      if (error instanceof ClaimLost) throw error
    })
  }

  /** Writes what is buffered. */
  async flush(): Promise<void> {
    if (this.#buffered.length > 0) await this.#push(this.takeBuffered(), {})
  }

  /** The buffered entries with the given one behind them; from now on the caller's to store. */
  takeBuffered(entry?: JournalEntry): JournalEntry[] {
    const chunk = this.#buffered
    this.#buffered = []
    this.#results = 0
    if (this.#flushSoon !== undefined) {
      clearImmediate(this.#flushSoon)
      this.#flushSoon = undefined
    }
    if (entry !== undefined) chunk.push(entry)
    return chunk
  }

  /** The part of a change to the run that stores what is buffered: appended, or the whole without what is obsolete. */
  closingChange(): { push?: { journal: JournalEntry[] }; set?: { journal: JournalEntry[][] } } {
    const buffered = this.takeBuffered()
    if (this.#superseded && !this.#overflowed) return { set: { journal: [[...this.#entries.values()]] } }
    return buffered.length === 0 ? {} : { push: { journal: buffered } }
  }

  /** True once a result was stored beside the run. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  async #appendBeside(entry: JournalEntry): Promise<JournalEntry> {
    const { store, wanted } = this.#options
    await this.#proveOurs()
    const document: NewDocument<TaskDocument> = { id: taskId(this.#runId, entry.path), entry }
    const inserted = await persist(() => store.insert(tasks, document), wanted)
    const stored = inserted ? undefined : await persist(() => store.get(tasks, document.id), wanted)
    const kept = stored?.entry ?? entry
    this.#enter(kept)
    this.#besideSize += sizeOf(kept)
    return kept
  }

  /** That the run is still ours, which an insert can't prove. What asks for it in one turn shares one write. */
  #proveOurs(): Promise<void> {
    this.#proof ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#proof = undefined
        this.#write({ set: { overflowed: true } }).then(() => {
          this.#overflowed = true
          resolve()
        }, reject)
      })
    })
    return this.#proof
  }

  /** Stores entries; resolves once those before them are stored too. */
  #push(chunk: JournalEntry[], change: Pick<Change<RunDocument>, 'unset'>): Promise<void> {
    const before = this.#writing
    const writing = this.#write({ ...change, push: { journal: chunk } })
      .then(() => before)
      .catch((error: unknown) => {
        // Twice in the record does no harm: the last entry of a path counts.
        this.#buffered.unshift(...chunk)
        this.#results += chunk.length
        throw error
      })
      .finally(() => {
        if (this.#writing === writing) this.#writing = undefined
      })
    this.#writing = writing
    return writing
  }

  /** The fence that refuses a run which is not ours any more also tells of one that was cancelled by another process. */
  async #write(change: Change<RunDocument>): Promise<void> {
    const { owner, fence } = this.#options.claim
    if (!this.#cancelled && (await this.#store({ owner, fence, cancelRequested: null }, change))) return
    if (!(await this.#store({ owner, fence }, change))) throw new ClaimLost()
    this.#cancelled = true
    this.#options.onCancelled()
  }

  #store(match: Match<RunDocument>, change: Change<RunDocument>): Promise<boolean> {
    const { store, wanted } = this.#options
    return persist(() => store.update(runs, this.#runId, match, change), wanted)
  }

  /** The size of an entry that fits into the run's state. */
  #assertState(entry: JournalEntry): number {
    const size = sizeOf(entry)
    if (this.#size + size <= stateLimit) return size
    throw new AuthFlowError('run_too_large', undefined, { details: { limit: stateLimit } })
  }

  /** Only results can lie beside the run: the rest must leave its record small enough for the store. */
  #assertInline(size: number): void {
    if (this.#besideSize + recordLimit >= this.#size + size) return
    throw new AuthFlowError('run_too_large', 'The log lines and attempts of the run take too much room.', {
      details: { limit: recordLimit },
    })
  }

  #enter(entry: JournalEntry): void {
    if (this.#entries.has(entry.path)) this.#superseded = true
    this.#entries.set(entry.path, entry)
    this.#seq = Math.max(this.#seq, entry.seq ?? 0)
    this.#size += sizeOf(entry)
  }
}

/** What is stored of a run, in the order of its making: results beside it come last, as they are always final. */
export function* entriesOf(run: RunDocument, beside: readonly TaskDocument[]): Iterable<JournalEntry> {
  for (const chunk of run.journal ?? []) yield* chunk
  for (const { entry } of beside) yield entry
}

/** Results of a run that are stored beside it, all of them. */
export async function loadBeside(store: Store, runId: string): Promise<TaskDocument[]> {
  const found: TaskDocument[] = []
  let from = `${runId}/`
  for (;;) {
    const page = await store.range(tasks, from, `${runId}0`, pageSize)
    found.push(...page)
    const last = page.at(-1)
    if (page.length < pageSize || last === undefined) return found
    from = `${last.id}!`
  }
}

const sizeOf = ({ path, output, error, children }: JournalEntry): number =>
  entryOverhead +
  path.length +
  (output?.length ?? 0) +
  (error?.length ?? 0) +
  (children?.length ?? 0) * childOverhead

// `io.store`: values by name, of the run, of its job, or of the whole environment. Writing is a step of the run, so a
// replay does not repeat it; so is reading, so a replay reads what the run read. Values of the run are kept in its
// journal, under its claim, and go with it.

import { retry } from '../../shared/retry.ts'
import type { Json, RunStore, ValueStore } from './job.ts'
import { enterStep, storeStep, whereItEnds } from './journal-step.ts'
import { digest } from './records.ts'
import type { RunIOOptions } from './run-io.ts'
import { checkName, checkValue, deleteValue, getValue, hasValue, setValue, valueId } from './value-records.ts'

type Scope = keyof RunStore

/** `io.store` of one pass. */
export function createRunStore(parts: RunIOOptions): RunStore {
  return {
    run: quiet(new OwnValues(parts)),
    job: quiet(new SharedValues(parts, 'job')),
    global: quiet(new SharedValues(parts, 'global')),
  }
}

/** What nobody awaits must not end the process when it fails; the run shows it. */
function quiet(store: ValueStore): ValueStore {
  const watch = <T>(done: Promise<T>): Promise<T> => {
    done.catch(() => undefined)
    return done
  }
  return {
    get: (key, name) => watch(store.get(key, name)),
    has: (key, name) => watch(store.has(key, name)),
    set: (key, name, value) => watch(store.set(key, name, value)),
    delete: (key, name) => watch(store.delete(key, name)),
  }
}

interface Call {
  readonly scope: Scope
  readonly verb: keyof ValueStore
  readonly key: string
}

/** The call for its error: what was called with which key by which job. */
const placeOf = ({ run }: RunIOOptions, { scope, verb, key }: Call): string =>
  `io.store.${scope}.${verb} «${String(key).slice(0, 64)}» of job ${run.job}`

/** Values of a job or of the environment. Other runs write them too, so each call is a task. */
class SharedValues implements ValueStore {
  readonly #parts: RunIOOptions
  readonly #scope: Exclude<Scope, 'run'>

  constructor(parts: RunIOOptions, scope: Exclude<Scope, 'run'>) {
    this.#parts = parts
    this.#scope = scope
  }

  async get(key: string, name: string): Promise<Json | undefined> {
    const found = await this.#step('get', { key, name }, (id) => getValue(this.#parts.core, id))
    return found as Json | undefined
  }

  async has(key: string, name: string): Promise<boolean> {
    return (await this.#step('has', { key, name }, (id) => hasValue(this.#parts.core, id))) === true
  }

  async set(key: string, name: string, value: Json): Promise<void> {
    const text = checkValue(placeOf(this.#parts, { scope: this.#scope, verb: 'set', key }), value)
    await this.#step('set', { key, name }, (id) => setValue(this.#parts.core, id, text))
  }

  async delete(key: string, name: string): Promise<boolean> {
    return (await this.#step('delete', { key, name }, (id) => deleteValue(this.#parts.core, id))) === true
  }

  #step(
    verb: keyof ValueStore,
    { key, name }: { readonly key: string; readonly name: string },
    work: (id: string) => Promise<unknown>,
  ): Promise<unknown> {
    const { runner, run } = this.#parts
    checkName(placeOf(this.#parts, { scope: this.#scope, verb, key }), name)
    const id = valueId(name, this.#scope === 'job' ? run.job : undefined)
    const label = `Store: ${verb}`
    return runner.run(key, () => work(id), { name: label, params: [verb, id], retry: retry.standardBackoff })
  }
}

interface OwnValue {
  readonly seq: number
  /** JSON text; absent once it was deleted. */
  readonly text: string | undefined
}

/** What is kept of one write, sealed. */
interface Write {
  readonly value?: Json
  /** There was a value before. */
  readonly had: boolean
}

/** Values of the run itself: what the last write of each name in the journal says. */
class OwnValues implements ValueStore {
  readonly #parts: RunIOOptions
  /** By the digest of the name. */
  #known: Map<string, OwnValue> | undefined

  constructor(parts: RunIOOptions) {
    this.#parts = parts
  }

  async get(key: string, name: string): Promise<Json | undefined> {
    const found = await this.#read('get', { key, name }, (text) =>
      text === undefined ? undefined : (JSON.parse(text) as Json),
    )
    return found as Json | undefined
  }

  async has(key: string, name: string): Promise<boolean> {
    return (await this.#read('has', { key, name }, (text) => text !== undefined)) === true
  }

  async set(key: string, name: string, value: Json): Promise<void> {
    const text = checkValue(placeOf(this.#parts, { scope: 'run', verb: 'set', key }), value)
    await this.#write('set', { key, name, text })
  }

  delete(key: string, name: string): Promise<boolean> {
    return this.#write('delete', { key, name, text: undefined })
  }

  /** A task, so that a replay reads the same although the run has written since. */
  #read(
    verb: 'get' | 'has',
    { key, name }: { readonly key: string; readonly name: string },
    pick: (text: string | undefined) => unknown,
  ): Promise<unknown> {
    checkName(placeOf(this.#parts, { scope: 'run', verb, key }), name)
    const place = digest(name)
    return this.#parts.runner.run(key, () => pick(this.#values.get(place)?.text), {
      name: `Store: ${verb}`,
      params: [verb, place],
    })
  }

  /** True when there was a value before. */
  async #write(
    verb: 'set' | 'delete',
    { key, name, text }: { readonly key: string; readonly name: string; readonly text: string | undefined },
  ): Promise<boolean> {
    const { execution, journal, core } = this.#parts
    checkName(placeOf(this.#parts, { scope: 'run', verb, key }), name)
    const ended = whereItEnds(execution)
    if (ended !== undefined) await ended
    const params = digest(name)
    const { path, entry } = enterStep(this.#parts, 'value', { key, params })
    const field = `output:${path}`
    if (entry !== undefined) return (JSON.parse(journal.open(entry.output ?? '{}', field)) as Write).had
    const had = this.#values.get(params)?.text !== undefined
    const at = core.now()
    const seq = journal.nextSeq()
    await storeStep(this.#parts, {
      path,
      kind: 'value',
      state: 'succeeded',
      attempt: 1,
      params,
      seq,
      startedAt: at,
      endedAt: at,
      output: journal.seal(`{"had":${had}${text === undefined ? '' : `,"value":${text}`}}`, field),
    })
    this.#enter(params, { seq, text })
    return had
  }

  get #values(): Map<string, OwnValue> {
    if (this.#known !== undefined) return this.#known
    this.#known = new Map()
    const { journal } = this.#parts
    for (const { path, params, seq = 0, output } of journal.ofKinds('value')) {
      if (params === undefined || output === undefined) continue
      const { value } = JSON.parse(journal.open(output, `output:${path}`)) as Write
      this.#enter(params, { seq, text: value === undefined ? undefined : JSON.stringify(value) })
    }
    return this.#known
  }

  #enter(name: string, value: OwnValue): void {
    const known = this.#values.get(name)
    if (known === undefined || known.seq < value.seq) this.#values.set(name, value)
  }
}

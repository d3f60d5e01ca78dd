// The jobs this process can run, and those that other processes say they can. Which version of a job an event starts
// is decided here: the highest there is.

import semver from 'semver'
import { AuthFlowError } from '../../shared/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import type { JobVersion } from '../queue/queue.ts'
import { checkJob } from './check-job.ts'
import { limitOf, ownLimitOf } from './concurrency.ts'
import { filterMatches } from './event-filter.ts'
import type { Integrations, JobOptions, Json, RunContext, Trigger } from './job.ts'
import type { ScheduledJob } from './engine.ts'
import { defaultSource, invokeSource, reservedSource } from './event-sources.ts'
import { parsePayload } from './payload-schema.ts'
import type { LimitRule } from './lane-records.ts'
import type { PublishedJob } from './records.ts'
import { ioClassOf, type RunIO, type RunIOOptions } from './run-io.ts'

/** A job with its types put away. */
export interface JobDefinition {
  readonly published: PublishedJob
  readonly integrations: Integrations
  /**
   * Judges a payload; gives nothing back.
   *
   * @throws {@link AuthFlowError} `invalid_payload` naming the place
   */
  readonly check: (payload: Json) => void
  readonly createIO: (options: RunIOOptions) => RunIO
  /** The user's `run`, with the payload parsed. */
  readonly run: (payload: Json, io: RunIO, context: RunContext) => unknown
  readonly timeoutMs: number | undefined
  readonly onSuccess: JobOptions<never>['onSuccess'] | undefined
  readonly onFailure: JobOptions<never>['onFailure'] | undefined
}

/** What an event is compared with. */
export interface EventFacts {
  readonly name: string
  readonly source: string
  readonly payload: Json
  readonly context: Json
}

/** Jobs of one engine. */
export class JobRegistry {
  readonly #own = new Map<string, JobDefinition>()
  readonly #known: ReadonlySet<Integration>
  #elsewhere: readonly PublishedJob[] = []
  #live: readonly PublishedJob[] = []
  #limitsElsewhere: ReadonlyMap<string, LimitRule> = new Map()
  /** The highest version of every job; made anew when something changes. */
  #highest: readonly PublishedJob[] | undefined
  #versions: readonly JobVersion[] = []
  /** The newest process's limits count, see {@link LimitRule.since}. */
  readonly #since = Date.now()

  constructor(integrations: readonly Integration[]) {
    this.#known = new Set(integrations)
  }

  /** Adds a job. Throws `duplicate_job`, `invalid_version`, `invalid_input`, `unknown_integration`. */
  define<Payload, Used extends Integrations, Output extends Json | void>(
    options: JobOptions<Payload, Used, Output>,
  ): void {
    checkJob(options)
    const { id, version } = options
    const name = nameOf(id, version)
    if (this.#own.has(name)) {
      throw new AuthFlowError(
        'duplicate_job',
        `Job ${id} ${version} is defined twice. Give each its own id or version.`,
      )
    }
    this.#assertKnown(options)
    this.#own.set(name, createDefinition(options, limitOf(id, options.concurrencyLimit, this.#since)))
    this.#shareLimit(id)
    this.#versions = [...this.#own.values()].map(({ published: { job, version: own } }) => ({
      job,
      version: own,
    }))
    this.#highest = undefined
  }

  /** What a worker of this process can run. */
  get versions(): readonly JobVersion[] {
    return this.#versions
  }

  /** What other processes are to know. */
  get published(): readonly PublishedJob[] {
    return [...this.#own.values()].map(({ published }) => published)
  }

  /**
   * Takes in what other workers published. What the gone ones had counts only where there are no others at all: a
   * server that only sends goes on sending while every worker is being restarted.
   */
  learn(live: readonly PublishedJob[], gone: readonly PublishedJob[]): void {
    this.#elsewhere = live.length + this.#own.size > 0 ? live : gone
    this.#live = live
    this.#highest = undefined
    this.#limitsElsewhere = new Map(
      this.#elsewhere.flatMap(({ job, version, limit }) => (limit ? [[nameOf(job, version), limit]] : [])),
    )
  }

  /** The job at this version, if this process has it. */
  find(job: string, version: string): JobDefinition | undefined {
    return this.#own.get(nameOf(job, version))
  }

  /** How many runs of the job may run at a time, as its version says. */
  limitOf(job: string, version: string): LimitRule | undefined {
    const own = this.find(job, version)
    return own === undefined ? this.#limitsElsewhere.get(nameOf(job, version)) : own.published.limit
  }

  /** True when some live worker known here has the job at this version. */
  isRunnable(job: string, version: string): boolean {
    const same = (other: PublishedJob): boolean => other.job === job && other.version === version
    return this.#own.has(nameOf(job, version)) || this.#live.some(same)
  }

  /**
   * The version that runs of versions which nobody has any more go on with: the highest, if it says so and some live worker
   * has it.
   */
  heirOf(job: string): string | undefined {
    const highest = this.highest(job)
    if (highest?.onVersionGone !== 'latest' || !this.isRunnable(job, highest.version)) return undefined
    return highest.version
  }

  /** The job at its highest version, of this process or of others. */
  highest(job: string): PublishedJob | undefined {
    this.#highest ??= highestOf([...this.published, ...this.#elsewhere])
    return this.#highest.find((each) => each.job === job)
  }

  /** The highest versions of the jobs that fire by themselves. */
  get scheduled(): ScheduledJob[] {
    this.#highest ??= highestOf([...this.published, ...this.#elsewhere])
    return this.#highest.flatMap(({ job, version, enabled, schedule }) =>
      schedule === undefined ? [] : [{ job, version, enabled, schedule }],
    )
  }

  /** The jobs that the event starts: of each the highest version, if that is enabled and wants the event. */
  matching({ name, source, payload, context }: EventFacts): PublishedJob[] {
    this.#highest ??= highestOf([...this.published, ...this.#elsewhere])
    return this.#highest.filter(
      (job) =>
        job.enabled &&
        job.source === source &&
        job.names.includes(name) &&
        (job.filter === undefined || filterMatches(payload, job.filter)) &&
        (job.contextFilter === undefined || filterMatches(context, job.contextFilter)),
    )
  }

  /** A limit of a job's own counts over its versions, so all say what the highest of them says. */
  #shareLimit(job: string): void {
    const own = [...this.#own].filter(([, { published }]) => published.limit?.name === ownLimitOf(job))
    const limit = highestOf(own.map(([, { published }]) => published)).find((each) => each.job === job)?.limit
    if (limit === undefined) return
    for (const [name, definition] of own)
      this.#own.set(name, { ...definition, published: { ...definition.published, limit } })
  }

  #assertKnown(options: { readonly id: string; readonly integrations?: Integrations }): void {
    for (const [key, integration] of Object.entries(options.integrations ?? {})) {
      if (integration.authSource === 'LOCAL' || this.#known.has(integration)) continue
      throw new AuthFlowError(
        'unknown_integration',
        `Job ${options.id} uses ${integration.id} as io.${key}, which is not among the server's integrations.`,
        { details: { integration: integration.id } },
      )
    }
  }
}

function createDefinition<Payload, Used extends Integrations, Output extends Json | void>(
  options: JobOptions<Payload, Used, Output>,
  limit: LimitRule | undefined,
): JobDefinition {
  const { id, name, version, trigger, enabled = true, onVersionGone, run } = options
  const integrations: Integrations = options.integrations ?? {}
  const IOClass = ioClassOf(Object.keys(integrations))
  const parse = (payload: Json): Payload => parsePayload(trigger.schema, payload, id)
  return {
    published: {
      job: id,
      jobName: name,
      version,
      enabled,
      names: trigger.names,
      source: sourceOf(id, trigger),
      ...(trigger.filter === undefined ? {} : { filter: trigger.filter }),
      ...(trigger.contextFilter === undefined ? {} : { contextFilter: trigger.contextFilter }),
      ...(trigger.schedule === undefined ? {} : { schedule: trigger.schedule }),
      ...(onVersionGone === 'latest' ? { onVersionGone } : {}),
      ...(limit === undefined ? {} : { limit }),
    },
    integrations,
    check: (payload) => void parse(payload),
    createIO: (parts) => new IOClass(parts),
    // The class was made with exactly the members of `Used`.
    run: (payload, io, context) => run(parse(payload), io as RunIO & Used, context),
    timeoutMs: options.timeoutInMs,
    onSuccess: options.onSuccess,
    onFailure: options.onFailure,
  }
}

function sourceOf(
  job: string,
  { kind, source, schedule }: Pick<Trigger<unknown>, 'kind' | 'source' | 'schedule'>,
): string {
  if (kind === 'invoke') return invokeSource(job)
  return source ?? (schedule ? `${reservedSource}job/${job}` : defaultSource)
}

function highestOf(jobs: readonly PublishedJob[]): PublishedJob[] {
  const highest = new Map<string, PublishedJob>()
  for (const job of jobs) {
    const known = highest.get(job.job)
    if (known === undefined || semver.gt(job.version, known.version)) highest.set(job.job, job)
  }
  return [...highest.values()]
}

const nameOf = (job: string, version: string): string => `${job}@${version}`

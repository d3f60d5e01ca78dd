// The accounts' credentials inside a run: resolved when an integration is first used in a pass, never stored, held to
// one identity, and refreshed once when a provider refuses them. A run without usable credentials goes to sleep.

import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import { deferIntegration, followSteps, type CallStep } from './deferred-integration.ts'
import { secretsOf } from './auth-secrets.ts'
import type { EngineCore } from './core.ts'
import type { Execution } from './execution.ts'
import { withCall, type BoundCall, type Frame } from './frames.ts'
import type { Integrations, IO, RunContext } from './job.ts'
import { ClaimLost, type Claim } from './journal.ts'
import { PassGates } from './pass-gates.ts'
import { localIdentity } from './request-gates.ts'
import { namedAt, runs, type RunDocument } from './records.ts'

/** How long a run waits for its account to connect before it fails, in ms: 30 days. */
const longestParkMs = 30 * 24 * 3_600_000
/** How long a provider may fail to refresh before the run fails, in ms. */
const longestTroubleMs = 24 * 3_600_000
const troublePauseMs = 5000
/** A connection that was ended is noticed by the next call after so long, whichever process ended it. */
const lookAgainMs = 500

/** What the connections of one pass need. */
export interface RunConnectionsOptions {
  readonly core: EngineCore
  readonly run: RunDocument
  readonly claim: Claim
  readonly execution: Execution
  readonly integrations: Integrations
  readonly io: IO
  /** For auth resolvers. */
  readonly context: RunContext
  /** True when an earlier pass did something through the integration, so that a call may need no credentials. */
  readonly wasUsed: (key: string) => boolean
}

interface Acquired {
  readonly integration: Integration
  /** Absent without credentials. */
  readonly auth?: Auth
  /** Absent without credentials. */
  readonly tokenHash: string | undefined
}

/** The integrations of one pass of a run. */
export class RunConnections {
  readonly #options: RunConnectionsOptions
  readonly #gates: PassGates
  readonly #bound = new Map<string, Integration>()
  readonly #acquired = new Map<string, Promise<Acquired>>()
  /** By key: the secret in use, and the last one that was refused. */
  readonly #tokenHash = new Map<string, string>()
  readonly #rejected = new Map<string, string>()
  readonly #secrets = new Set<string>()
  /** By key: when credentials were asked for, by a clock that nobody sets. */
  readonly #askedAt = new Map<string, number>()
  #identities: Readonly<Record<string, string>>

  constructor(options: RunConnectionsOptions) {
    this.#options = options
    const { core, execution, run } = options
    this.#gates = new PassGates({ core, execution, tickets: run.tickets })
    this.#identities = options.run.identities ?? {}
  }

  /** Secrets that were in use, to be cut out of error messages. */
  get secrets(): readonly string[] {
    return [...this.#secrets]
  }

  /** See {@link PassGates.tickets}. */
  get tickets(): RunDocument['tickets'] {
    return this.#gates.tickets
  }

  /** What `io.<key>` is: one object per pass. Credentials are looked up at the first call through it. */
  bind(key: string): Integration {
    const known = this.#bound.get(key)
    if (known !== undefined) return known
    const integration = this.#integration(key)
    const bound =
      integration.authSource === 'LOCAL' && !this.#options.core.authResolvers.has(integration.id)
        ? this.#gates.guard(integration.cloneForRun(this.#options.io, key), localIdentity)
        : deferIntegration(integration, (steps) => this.#call(key, steps))
    this.#bound.set(key, bound)
    return bound
  }

  /** See `IO.getAuth`. */
  async getAuth({ id, authSource }: Integration, rejectedTokenHash: string | undefined): Promise<Auth> {
    const { core, execution, integrations, run } = this.#options
    const [key] = Object.entries(integrations).find(([, each]) => each.id === id) ?? []
    if (key === undefined || (authSource === 'LOCAL' && !core.authResolvers.has(id))) {
      const problem = key === undefined ? 'is not among its integrations' : 'has its credentials from code'
      throw new AuthFlowError(
        'unknown_integration',
        `io.getAuth of job ${run.job}: ${id} ${problem}. Give it one of the job's integrations that acts as accounts.`,
        { details: { integration: id } },
      )
    }
    if (rejectedTokenHash !== undefined) {
      if (this.#acquired.has(key)) this.#reject(key, rejectedTokenHash)
      else this.#rejected.set(key, rejectedTokenHash)
    }
    const { auth } = await this.#acquire(execution.frame, key)
    return auth ?? execution.never()
  }

  #integration(key: string): Integration {
    const integration = this.#options.integrations[key]
    if (integration === undefined)
      throw new AuthFlowError('unknown_integration', `The job has no integration ${key}.`)
    return integration
  }

  async #call(key: string, steps: readonly CallStep[]): Promise<unknown> {
    const { execution } = this.#options
    const frame = execution.frame
    const first = this.#withoutCredentials(key) ?? (await this.#acquire(frame, key))
    return new Promise((resolve, reject) => {
      const make = ({ integration, tokenHash }: Acquired, mayRenew: boolean): void => {
        const call: BoundCall = {
          connectionKey: key,
          keys: [],
          tokenHash,
          renew: mayRenew ? () => void renew(call).catch(reject) : undefined,
        }
        const place = withCall(frame, call)
        new Promise((done) => done(execution.within(place, () => followSteps(integration, steps)))).then(
          resolve,
          reject,
        )
      }
      const renew = async (call: BoundCall): Promise<void> => {
        for (const used of call.keys) frame.keys.delete(used)
        if (call.tokenHash !== undefined) this.#reject(key, call.tokenHash)
        make(await this.#acquire(frame, key), call.tokenHash === undefined)
      }
      make(first, true)
    })
  }

  /**
   * On a replay most calls only bring back what they did before. They are made without credentials, so that a run can
   * go on past them while the connection is gone; the first task that is not in the journal asks for some.
   */
  #withoutCredentials(key: string): Acquired | undefined {
    const { io, wasUsed } = this.#options
    if (this.#acquired.has(key) || !wasUsed(key)) return undefined
    try {
      return { integration: this.#integration(key).cloneForRun(io, key), tokenHash: undefined }
    } catch {
      // An integration that makes its client at once can't be cloned so.
      return undefined
    }
  }

  /** The next look-up asks for a fresh secret, unless another call has done so. */
  #reject(key: string, tokenHash: string): void {
    if (this.#tokenHash.get(key) !== tokenHash) return
    this.#tokenHash.delete(key)
    this.#rejected.set(key, tokenHash)
    this.#acquired.delete(key)
  }

  async #acquire(frame: Frame, key: string): Promise<Acquired> {
    const { execution, core } = this.#options
    for (;;) {
      let pending = this.#acquired.get(key)
      if (pending === undefined || this.#isOld(key)) {
        pending = this.#resolve(key, pending)
        this.#acquired.set(key, pending)
      }
      try {
        return await execution.hold(pending)
      } catch (error) {
        if (this.#acquired.get(key) === pending) this.#acquired.delete(key)
        await this.#waitOrThrow(frame, key, error)
        core.log.debug({ run: this.#options.run.id, integration: key }, 'looking for credentials again')
      }
    }
  }

  /** Sleeps where waiting may help; throws where it can't. */
  async #waitOrThrow(frame: Frame, key: string, error: unknown): Promise<void> {
    const { core, execution, run } = this.#options
    if (error instanceof ClaimLost) {
      execution.end({ type: 'lost' })
      return execution.never()
    }
    if (!isAuthFlowError(error)) throw error
    const since = run.parkedAt ?? core.now()
    if (error.code === 'not_connected' || error.code === 'needs_reauth') {
      const until = since + longestParkMs
      if (run.accountId === null || core.now() >= until) throw error
      return execution.sleep(frame, until, { since, integration: this.#integration(key).id })
    }
    if (!error.retryable || core.now() >= since + longestTroubleMs) throw error
    return execution.sleep(frame, core.now() + Math.round(troublePauseMs * (1 + core.random())), { since })
  }

  /** True when the connection has to be looked at again. A resolver is asked once a pass. */
  #isOld(key: string): boolean {
    if (performance.now() - (this.#askedAt.get(key) ?? 0) < lookAgainMs) return false
    return this.#identities[resolvedBy(this.#integration(key).id)] === undefined
  }

  async #resolve(key: string, before?: Promise<Acquired>): Promise<Acquired> {
    const { io } = this.#options
    const integration = this.#integration(key)
    this.#askedAt.set(key, performance.now())
    const last = await before?.catch(() => undefined)
    await this.#followRenames()
    const auth = (await this.#connected(key, integration)) ?? (await this.#ownAuth(integration))
    if (last?.tokenHash === auth.tokenHash) return last
    for (const secret of secretsOf(auth)) this.#secrets.add(secret)
    this.#tokenHash.set(key, auth.tokenHash)
    const bound = this.#gates.guard(integration.cloneForRun(io, key, auth), auth.identity.id)
    return { integration: bound, auth, tokenHash: auth.tokenHash }
  }

  /** An integration that the job no longer calls so may have another name: who the run began as there holds under it. */
  async #followRenames(): Promise<void> {
    const { core, run, integrations } = this.#options
    const names = new Set(Object.values(integrations).map(({ id }) => id))
    for (const [place, identity] of Object.entries(this.#identities)) {
      const id = place.slice(place.indexOf('/') + 1)
      if (names.has(id)) continue
      const now = await core.integrationNow(id, namedAt(run))
      const moved = place === id ? now : resolvedBy(now)
      if (now !== id && this.#identities[moved] === undefined)
        this.#identities = { ...this.#identities, [moved]: identity }
    }
  }

  /** Credentials of the account's connection; undefined where the integration's resolver is to be asked. */
  async #connected(key: string, { id, authSource }: Integration): Promise<Auth | undefined> {
    const { core, run } = this.#options
    const mayResolve = core.authResolvers.has(id) && this.#identities[id] === undefined
    if (authSource === 'LOCAL' || this.#identities[resolvedBy(id)] !== undefined) return undefined
    if (run.accountId === null) {
      if (mayResolve) return undefined
      throw new AuthFlowError(
        'not_connected',
        `The run has no account, so io.${key} has no credentials. Send the event with an accountId.`,
        { details: { integration: id } },
      )
    }
    const rejectedTokenHash = this.#rejected.get(key)
    try {
      const auth = await core.resolveAuth({
        id,
        accountId: run.accountId,
        run: { id: run.id, createdAt: namedAt(run) },
        ...(rejectedTokenHash === undefined ? {} : { rejectedTokenHash }),
      })
      await this.#pin(id, auth.identity.id)
      return auth
    } catch (error) {
      if (mayResolve && isAuthFlowError(error) && error.code === 'not_connected') return undefined
      throw error
    }
  }

  /** A run that began with the resolver stays with it, and one that began with a connection with that. */
  async #ownAuth({ id }: Integration): Promise<Auth> {
    const { core, context } = this.#options
    const { auth, identity } = await core.authResolvers.resolve(id, { ctx: context, core })
    const place = resolvedBy(id)
    const pinned = this.#identities[place]
    // Where the resolver does not always say who it is, it is the host that sees to it.
    await this.#pin(place, pinned === '' ? '' : (identity ?? pinned ?? ''))
    return auth
  }

  /** Stored before the first use, so that no later pass acts as somebody else. */
  async #pin(place: string, identity: string): Promise<void> {
    const { core, run, claim } = this.#options
    const pinned = this.#identities[place]
    if (pinned === identity) return
    if (pinned !== undefined) {
      const integration = place.slice(place.indexOf('/') + 1)
      throw new AuthFlowError('identity_changed', `The run began as another identity at ${integration}.`, {
        details: { integration },
      })
    }
    // Before the write: one of another integration at the same time has it, too.
    const identities = { ...this.#identities, [place]: identity }
    this.#identities = identities
    const { owner, fence } = claim
    try {
      if (await core.store.update(runs, run.id, { owner, fence }, { set: { identities } })) return
    } catch (error) {
      const { [place]: _, ...others } = this.#identities
      this.#identities = others
      throw error
    }
    throw new ClaimLost()
  }
}

/** Where a run notes down that it acts by the integration's resolver; no id has a slash. */
const resolvedBy = (integration: string): string => `resolver/${integration}`

// A provider of the user's own in one file: how accounts connect, which client acts for them, which tasks it has. The
// built-in providers are classes for their precise types; what is made here behaves the same.

import { createHash } from 'node:crypto'
import type { Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { MethodId } from '../../shared/flow.ts'
import { namePattern } from '../../shared/ids.ts'
import type { IO, Json, Task, TaskOptions } from '../jobs/job.ts'
import {
  checkAuthSource,
  checkCredential,
  checkId,
  optionError,
  type OAuthAppOptions,
} from './checked-options.ts'
import {
  connectDefinition,
  toolsOf,
  type AuthOfMethods,
  type MethodDefinitions,
  type ProviderTools,
} from './defined-methods.ts'
import type { ProviderLimits } from '../net/rate-limits.ts'
import type { ConnectDefinition } from './integration.ts'
import { failureError, type ProviderFailure } from './provider-failure.ts'
import { ProviderIntegration } from './provider-integration.ts'

export { defineFields } from './field-set.ts'

/** A task of a definition: the work alone. Its key, retries and error handling come from the integration. */
export type TaskDefinition<Client> = (client: Client, params: never, task: Task) => Promise<Json | void>

/** A task as `io.<integration>` has it. */
export type TaskMethod<Definition> = Definition extends (
  client: never,
  params: infer Params,
  task: Task,
) => Promise<infer Output>
  ? (key: string, params: Params, options?: TaskOptions) => Promise<Output>
  : never

/** Tasks as `io.<integration>` has them. */
export type TaskMethods<Tasks> = { readonly [Name in keyof Tasks]: TaskMethod<Tasks[Name]> }

/** What {@link defineIntegration} takes. */
export interface IntegrationDefinition<
  Methods extends MethodDefinitions,
  Client,
  Tasks extends Readonly<Record<string, TaskDefinition<Client>>>,
> {
  /** The provider's id: `todoist`. */
  readonly provider: string
  /** `Todoist`. */
  readonly name: string
  readonly methods: Methods
  /** A client that acts with the auth. Made once for an execution, when first used. It must not retry by itself. */
  client(auth: AuthOfMethods<Methods>, tools: ProviderTools): Client | Promise<Client>
  /** By their names on `io.<integration>`. Write the type of their parameter `client` down: it is not inferred. */
  readonly tasks: Tasks
  /** The facts of an error of the client's SDK; undefined for errors that are none of the provider's. */
  failureOf?(error: unknown): ProviderFailure | undefined
  /** Its rate limits, where the headers that most APIs have do not tell all of it. The client must use `tools`. */
  readonly rateLimits?: ProviderLimits
}

/** Options of an integration made by {@link defineIntegration}. */
export interface DefinedOptions<Id extends string = string> {
  readonly id: Id
  /** A token or key of the product's own: runs of any account use it. Not with user name and password. */
  readonly token?: string | undefined
  /** Lets accounts connect. */
  readonly connect?: boolean
  /** The host's app at the provider. Needed for OAuth; without it only the other methods are offered. */
  readonly oauth?: OAuthAppOptions
  /**
   * Offers only these of the provider's methods (default: all but device codes beside a sign-in by browser; those that
   * need `oauth` only with it).
   */
  readonly methods?: readonly MethodId[]
}

/** An integration made by {@link defineIntegration}. */
export type DefinedIntegration<Id extends string, A extends Auth, Client, Tasks extends object> = Defined<
  Id,
  A,
  Client,
  Tasks
> &
  TaskMethods<Tasks>

const reserved = new Set([
  'authSource',
  'cloneForRun',
  'connect',
  'constructor',
  'createClient',
  'endpointOverrides',
  'id',
  'metadata',
  'rateLimits',
  'runTask',
  'useFetch',
  'useGate',
])

const methodIds = ['oauth2', 'device', 'clientCredentials', 'apiKey', 'basic'] as const

/**
 * A function that makes integrations of the provider, each with the host's own id and settings.
 *
 * @throws {@link AuthFlowError} `invalid_option` for a definition that cannot work; the function made throws
 *   `missing_option` and `invalid_option` like the constructors of the built-in integrations
 */
export function defineIntegration<
  const Methods extends MethodDefinitions,
  Client,
  Tasks extends Readonly<Record<string, TaskDefinition<Client>>>,
>(
  definition: IntegrationDefinition<Methods, Client, Tasks>,
): <const Id extends string>(
  options: DefinedOptions<Id>,
) => DefinedIntegration<Id, AuthOfMethods<Methods>, Client, Tasks> {
  const refuse = (option: string, what: string): never => {
    throw new AuthFlowError('invalid_option', `defineIntegration: \`${option}\` ${what}`, {
      details: { option },
    })
  }
  const { provider, name, methods, tasks } = definition
  if (!namePattern.test(provider)) refuse('provider', 'must be an id such as todoist.')
  if (!methodIds.some((id) => methods[id] !== undefined))
    refuse('methods', `must have one of ${methodIds.join(', ')}.`)
  for (const task of Object.keys(tasks)) {
    if (reserved.has(task) || task === 'then')
      refuse(`tasks.${task}`, 'has a name that every integration has already.')
  }
  return (options) => {
    const self = { name, id: options.id }
    checkId(self)
    const local = Object.hasOwn(options, 'token')
    if (local) checkCredential(self, 'token', options.token)
    if (local && methods.basic && Object.keys(methods).length === 1) {
      throw optionError('invalid_option', self, {
        option: 'token',
        what: 'does not fit a user name and password.',
      })
    }
    const authSource = checkAuthSource(self, { connect: options.connect, local, localOption: 'token' })
    const connect = options.connect
      ? connectDefinition(self, methods, { oauth: options.oauth, only: options.methods })
      : undefined
    return withTasks(new Defined(definition, options, { authSource, connect }))
  }
}

/** The integration with a method for each task. */
function withTasks<Id extends string, A extends Auth, Client, Tasks extends object>(
  integration: Defined<Id, A, Client, Tasks>,
): DefinedIntegration<Id, A, Client, Tasks> {
  const methods = Object.keys(integration.definition.tasks).map((task) => [
    task,
    (key: string, params: Json, options?: TaskOptions) =>
      integration.runDefined(task, key, { params, options }),
  ])
  // Built from the keys of Tasks one by one, which the type of fromEntries can't say.
  return Object.assign(integration, Object.fromEntries(methods) as TaskMethods<Tasks>)
}

interface Source<Client, A extends Auth, Tasks> {
  readonly provider: string
  readonly name: string
  readonly methods: MethodDefinitions
  readonly tasks: Tasks
  client(auth: A, tools: ProviderTools): Client | Promise<Client>
  failureOf?(error: unknown): ProviderFailure | undefined
  readonly rateLimits?: ProviderLimits
}

/** The class behind {@link defineIntegration}. */
class Defined<Id extends string, A extends Auth, Client, Tasks extends object> extends ProviderIntegration<
  Id,
  A,
  Client
> {
  /** What it was made from. */
  readonly definition: Source<Client, A, Tasks>
  readonly #options: DefinedOptions<Id>

  constructor(
    definition: Source<Client, A, Tasks>,
    options: DefinedOptions<Id>,
    { authSource, connect }: { authSource: 'LOCAL' | 'HOSTED'; connect: ConnectDefinition | undefined },
  ) {
    const { provider, name, rateLimits: limits } = definition
    super({ id: options.id, provider, name, authSource, connect, endpoints: [], limits })
    this.definition = definition
    this.#options = options
  }

  override cloneForRun(io: IO, connectionKey: string, auth?: A): DefinedIntegration<Id, A, Client, Tasks> {
    const { authSource, connect } = this
    return withTasks(
      new Defined(this.definition, this.#options, { authSource, connect }).bindTo(
        this,
        io,
        connectionKey,
        auth,
      ),
    )
  }

  override async createClient(auth?: A): Promise<Client> {
    const { token } = this.#options
    const acting = auth ?? (token === undefined ? undefined : localAuth(this.definition.methods, token))
    if (!isAuthOf<A>(acting)) throw this.notConnected()
    return this.definition.client(acting, toolsOf(this.self, this.fetch))
  }

  /** Runs the named task of the definition. */
  runDefined(
    name: string,
    key: string,
    { params, options }: { params: Json; options: TaskOptions | undefined },
  ): Promise<Json | void> {
    const work: unknown = Reflect.get(this.definition.tasks, name)
    if (typeof work !== 'function')
      throw new AuthFlowError('not_supported', `${this.definition.name} has no task ${name}.`)
    return this.runTask<Json | void>(key, (client, task) => work(client, params, task), {
      name,
      ...(params === undefined ? {} : { params }),
      ...options,
    })
  }

  protected override explain(error: unknown): unknown {
    if (isAuthFlowError(error)) return error
    const failure = this.definition.failureOf?.(error)
    return failure === undefined ? error : failureError(this.self, failure)
  }
}

const isAuthOf = <A extends Auth>(auth: Auth | undefined): auth is A => auth !== undefined

/** The product's own token in the form in which accounts' credentials come. */
function localAuth(methods: MethodDefinitions, token: string): Auth {
  const base = {
    connectionId: 'local',
    fields: {},
    scopes: [],
    expiresAt: null,
    identity: { id: 'local', label: 'local' },
    tokenHash: createHash('sha256').update(token).digest('base64url'),
  }
  return methods.apiKey
    ? { type: 'apiKey', apiKey: token, ...base }
    : { type: 'oauth2', accessToken: token, ...base }
}

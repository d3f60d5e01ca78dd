// A provider of the user's own in one file: how accounts connect, which client acts for them, which tasks it has. The
// built-in providers are classes for their precise types; what is made here behaves the same.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { ApiKeyAuth, Auth, BasicAuth, OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import { namePattern } from '../../shared/ids.ts'
import type { IO, Json, Task, TaskOptions } from '../jobs/job.ts'
import type { GuardedFetch } from '../net/guarded-fetch.ts'
import {
  checkAuthSource,
  checkCredential,
  checkId,
  checkOAuthApp,
  optionError,
  type Complainant,
  type OAuthAppOptions,
} from './checked-options.ts'
import { defineFields } from './field-set.ts'
import type {
  ConnectDefinition,
  FieldSet,
  Identified,
  KeyMethod,
  Method,
  OAuth2Method,
  ProviderContext,
} from './integration.ts'
import { checkingCredentials, requestJson, type JsonReply, type JsonRequest } from './json-request.ts'
import { failureError, type ProviderFailure } from './provider-failure.ts'
import { ProviderIntegration } from './provider-integration.ts'

export { defineFields } from './field-set.ts'

/** What definitions have to reach their provider. */
export interface ProviderTools {
  /** Reaches public https hosts only; give it to SDKs that take a fetch. */
  readonly fetch: GuardedFetch
  /**
   * Sends JSON and reads JSON; throws coded errors that tasks know how to retry: `rate_limited` with the provider's
   * `Retry-After`, `provider_unavailable`, `provider_rejected`.
   */
  request(url: string, request?: JsonRequest): Promise<JsonReply>
}

type Fixed = 'id' | 'client' | 'authorizationUrl' | 'tokenUrl' | 'identify'

/** Connecting by OAuth 2. What is left out: PKCE on, Basic client authentication, scopes separated by spaces. */
export interface OAuth2Definition extends Omit<Partial<OAuth2Method>, Fixed> {
  /** Fixed, or made of the fields. */
  readonly authorizationUrl: string | OAuth2Method['authorizationUrl']
  readonly tokenUrl: string | OAuth2Method['tokenUrl']
  /** Who the token belongs to. A refusal with status 401 becomes `credentials_rejected`. */
  identify(token: string, context: ProviderContext & ProviderTools): Promise<Identified>
}

/** Connecting with a typed key, or with a user name and password. */
export interface KeyDefinition {
  /** (default `API key`, `User name and password`) */
  readonly label?: string
  /** By `defineFields` (default one secret field `apiKey`, or `username` and `password`). */
  readonly fields?: FieldSet
  /** Whose credentials they are. A refusal with status 401 becomes an error at the field. */
  verify(context: ProviderContext & ProviderTools): Promise<Identified>
}

/** Ways to connect; at least one. */
export interface MethodDefinitions {
  readonly oauth2?: OAuth2Definition
  readonly apiKey?: KeyDefinition
  readonly basic?: KeyDefinition
}

/** What `getAuth` answers for methods. */
export type AuthOfMethods<Methods extends MethodDefinitions> =
  | (Methods extends { readonly oauth2: OAuth2Definition } ? OAuth2Auth : never)
  | (Methods extends { readonly apiKey: KeyDefinition } ? ApiKeyAuth : never)
  | (Methods extends { readonly basic: KeyDefinition } ? BasicAuth : never)

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
  'runTask',
  'useFetch',
])

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
  if (!methods.oauth2 && !methods.apiKey && !methods.basic)
    refuse('methods', 'must have one of oauth2, apiKey and basic.')
  for (const task of Object.keys(tasks)) {
    if (reserved.has(task) || task === 'then')
      refuse(`tasks.${task}`, 'has a name that every integration has already.')
  }
  return (options) => {
    const self = { name, id: options.id }
    checkId(self)
    const local = Object.hasOwn(options, 'token')
    if (local) checkCredential(self, 'token', options.token)
    if (local && !methods.oauth2 && !methods.apiKey) {
      throw optionError('invalid_option', self, {
        option: 'token',
        what: 'does not fit a user name and password.',
      })
    }
    const authSource = checkAuthSource(self, { connect: options.connect, local, localOption: 'token' })
    const connect = options.connect ? connectDefinition(self, methods, options.oauth) : undefined
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
    const { provider, name } = definition
    super({ id: options.id, provider, name, authSource, connect, endpoints: [] })
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

const toolsOf = (self: Complainant, fetch: GuardedFetch): ProviderTools => ({
  fetch,
  request: (url, request) => requestJson(self, fetch, url, request),
})

function connectDefinition(
  self: Complainant,
  methods: MethodDefinitions,
  oauth: OAuthAppOptions | undefined,
): ConnectDefinition {
  const list: Method[] = []
  if (methods.oauth2 && oauth) list.push(oauth2Method(self, methods.oauth2, oauth))
  if (methods.apiKey) list.push(keyMethod(self, 'apiKey', methods.apiKey))
  if (methods.basic) list.push(keyMethod(self, 'basic', methods.basic))
  if (list.length > 0) return { methods: list }
  throw optionError('missing_option', self, { option: 'oauth', what: 'is needed with `connect: true`.' })
}

function oauth2Method(self: Complainant, definition: OAuth2Definition, oauth: OAuthAppOptions): OAuth2Method {
  const { authorizationUrl, tokenUrl, identify, ...rest } = definition
  return {
    label: `Sign in with ${self.name}`,
    scopeSeparator: ' ',
    scopeLabels: {},
    pkce: 'S256',
    clientAuth: 'basic',
    // The careful assumption: an old refresh token may be dead, and using it may end the grant.
    rotation: 'strict',
    ...rest,
    id: 'oauth2',
    client: checkOAuthApp(self, oauth),
    authorizationUrl: (fields) =>
      typeof authorizationUrl === 'string' ? authorizationUrl : authorizationUrl(fields),
    tokenUrl: (fields) => (typeof tokenUrl === 'string' ? tokenUrl : tokenUrl(fields)),
    identify: ({ accessToken }, context) => {
      const tools = toolsOf(self, context.fetch)
      return checkingCredentials(self, () => identify(accessToken, { ...context, ...tools }))
    },
  }
}

const defaultFields = {
  apiKey: z.object({
    apiKey: z.string().meta({ title: 'API key', secret: true, normalise: ['trim'], autocomplete: 'off' }),
  }),
  basic: z.object({
    username: z.string().meta({ title: 'User name', normalise: ['trim'], autocomplete: 'username' }),
    password: z.string().meta({ title: 'Password', secret: true, autocomplete: 'current-password' }),
  }),
} as const

const defaultLabels = { apiKey: 'API key', basic: 'User name and password' } as const

const secretFields = { apiKey: 'apiKey', basic: 'password' } as const

function keyMethod(
  self: Complainant,
  id: KeyMethod['id'],
  { label, fields, verify }: KeyDefinition,
): KeyMethod {
  return {
    id,
    label: label ?? defaultLabels[id],
    fields: fields ?? defineFields(defaultFields[id]),
    verify: (context) => {
      const tools = toolsOf(self, context.fetch)
      return checkingCredentials(self, () => verify({ ...context, ...tools }), secretFields[id])
    },
  }
}

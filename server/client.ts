// The client for the team's other backends: the server API over HTTP, typed by the server's own integrations. For
// servers only: it holds a secret key.

import { createTRPCClient, httpLink, TRPCClientError } from '@trpc/client'
import { AuthFlowError, isErrorCode, type ErrorDetails } from '../shared/errors.ts'
import { secretKeyPattern } from '../shared/ids.ts'
import type { ApiRouter } from './http/api-router.ts'
import type { EventInput, SendEventOptions } from './jobs/engine.ts'
import type { AuthFor, IntegrationList, ServerApi } from './server-api.ts'

export { AuthFlowError } from '../shared/errors.ts'
export type { ErrorCode, ErrorDetails, FieldError } from '../shared/errors.ts'
export type {
  ConfirmPageRequest,
  ConfirmRequest,
  ConnectLink,
  ConnectLinkRequest,
  ConnectPageRequest,
  PagePurpose,
} from './connect/connect.ts'
export type { AuthFor, ConnectionQuery, ConnectionsQuery, RunsQuery, ServerApi } from './server-api.ts'

/** How the server is reached. */
export interface ClientOptions {
  /** The server's `baseUrl`. */
  readonly url: string | undefined
  /** `ctk_sk_…`, with the scopes that the calls need. */
  readonly secretKey: string | undefined
  /** Longest time for one call, in ms (default 30,000). */
  readonly timeoutMs?: number
}

/** The integrations of an `AuthFlow` by its type. */
export type IntegrationsOf<C> = C extends { readonly integrationTypes?: infer I extends IntegrationList }
  ? I
  : IntegrationList

const defaultTimeoutMs = 30_000

/**
 * A client of a running server. `createClient<typeof client>` knows the server's integrations, so that `auth.get` is
 * typed by their ids. Makes no request itself.
 *
 * @throws {@link AuthFlowError} `missing_option`, `invalid_option`; its methods throw what the server answers, and
 *   `network_error` when it cannot be reached or the time is over
 */
export function createClient<C = ServerApi<IntegrationList>>(
  options: ClientOptions,
): ServerApi<IntegrationsOf<C>> {
  const api = connect(options)
  const sendEvent: ServerApi<IntegrationsOf<C>>['sendEvent'] = (event, options = {}) =>
    call(async () => api.events.send.mutate({ event: writeEvent(event), ...writeOptions(options) }))
  const sendEvents: ServerApi<IntegrationsOf<C>>['sendEvents'] = (events, options = {}) =>
    call(async () => api.events.sendMany.mutate({ events: events.map(writeEvent), ...writeOptions(options) }))
  const getAuth: ServerApi<IntegrationsOf<C>>['getAuth'] = async (request) => {
    const auth = await call(() => api.auth.get.mutate(request))
    // The integration's own type says which of the kinds it answers; the server holds it to that.
    return auth as AuthFor<IntegrationsOf<C>, (typeof request)['id']>
  }
  const { runs, events } = jobCalls(api, { sendEvent, sendEvents })
  return {
    connectTokens: {
      create: (request) => call(() => api.connectTokens.create.mutate(request)),
      revoke: (request) => call(() => api.connectTokens.revoke.mutate(request)),
    },
    secretKeys: { list: () => call(() => api.secretKeys.list.query()) },
    connectLinks: { create: (request) => call(() => api.connectLinks.create.mutate(request)) },
    connectPages: {
      create: (request) => call(() => api.connectPages.create.mutate(request)),
      confirm: (request) => call(() => api.connectPages.confirm.mutate(request)),
    },
    connections: {
      confirm: (request) => call(() => api.connections.confirm.mutate(request)),
      list: (query = {}) => call(() => api.connections.list.query(query)),
      get: (query) => call(() => api.connections.get.query(query)),
      disconnect: (query) => call(() => api.connections.disconnect.mutate(query)),
      setMetadata: (query) => call(() => api.connections.setMetadata.mutate(query)),
    },
    accounts: { rename: (request) => call(() => api.accounts.rename.mutate(request)) },
    integrations: { rename: (request) => call(() => api.integrations.rename.mutate(request)) },
    audit: { list: (query = {}) => call(() => api.audit.list.query(query)) },
    ...triggerCalls(api),
    runs,
    events,
    ...shortCalls({ runs, events }),
    auth: { get: getAuth },
    sendEvent,
    sendEvents,
    invoke: (job, payload, options = {}) => call(() => api.jobs.invoke.mutate({ ...options, job, payload })),
    batchInvoke: (job, items) => call(() => api.jobs.batchInvoke.mutate({ job, items })),
    getAuth,
  }
}

type Api = ReturnType<typeof connect>
type Calls = ServerApi<IntegrationList>
type ShortCalls = Pick<
  Calls,
  | 'getEvent'
  | 'cancelEvent'
  | 'getRun'
  | 'getRuns'
  | 'getRunStatuses'
  | 'cancelRun'
  | 'cancelRunsForEvent'
  | 'cancelRunsForJob'
  | 'replayRun'
  | 'resumeRun'
>

function jobCalls(
  api: Api,
  { sendEvent, sendEvents }: Pick<Calls, 'sendEvent' | 'sendEvents'>,
): Pick<Calls, 'runs' | 'events'> {
  return {
    runs: {
      list: (query = {}) => call(() => api.runs.list.query(query)),
      get: (query) => call(() => api.runs.get.query(query)),
      statuses: (query) => call(() => api.runs.statuses.query(query)),
      log: (query) => call(() => api.runs.log.query(query)),
      cancel: (query) => call(() => api.runs.cancel.mutate(query)),
      cancelForEvent: (query) => call(() => api.runs.cancelForEvent.mutate(query)),
      cancelForJob: (query) => call(() => api.runs.cancelForJob.mutate(query)),
      replay: (query) => call(() => api.runs.replay.mutate(query)),
      resume: (query) => call(() => api.runs.resume.mutate(query)),
    },
    events: {
      send: sendEvent,
      sendMany: sendEvents,
      get: (query) => call(() => api.events.get.query(query)),
      cancel: (query) => call(() => api.events.cancel.mutate(query)),
    },
  }
}

/** The calls that have a name of their own besides. */
const shortCalls = ({ runs, events }: Pick<Calls, 'runs' | 'events'>): ShortCalls => ({
  getEvent: (id, scope = {}) => events.get({ ...scope, id }),
  cancelEvent: (id, scope = {}) => events.cancel({ ...scope, id }),
  getRun: (id, page = {}) => runs.get({ ...page, id }),
  getRuns: (query) => runs.list(query),
  getRunStatuses: (id) => runs.statuses({ id }),
  cancelRun: (id) => runs.cancel({ id }),
  cancelRunsForEvent: (id, scope = {}) => runs.cancelForEvent({ ...scope, id }),
  cancelRunsForJob: (job, options = {}) => runs.cancelForJob({ ...options, job }),
  replayRun: (id) => runs.replay({ id }),
  resumeRun: (id) => runs.resume({ id }),
})

function triggerCalls(api: Api): Pick<Calls, 'registrations' | 'schedules' | 'store'> {
  return {
    registrations: {
      register: (registration) => call(() => api.registrations.register.mutate(registration)),
      unregister: (name) => call(() => api.registrations.unregister.mutate(name)),
      rotateSecret: (name) => call(() => api.registrations.rotateSecret.mutate(name)),
      get: (name) => call(() => api.registrations.get.query(name)),
      list: (query) => call(() => api.registrations.list.query(query)),
    },
    schedules: {
      register: (schedule) => call(() => api.schedules.register.mutate(schedule)),
      unregister: (schedule, key) => call(() => api.schedules.unregister.mutate({ schedule, key })),
      list: (query) => call(() => api.schedules.list.query(query)),
    },
    store: {
      global: {
        get: (name) => call(() => api.store.get.query({ name })),
        has: (name) => call(() => api.store.has.query({ name })),
        set: (name, value) => call(() => api.store.set.mutate({ name, value })),
        delete: (name) => call(() => api.store.delete.mutate({ name })),
      },
    },
  }
}

/** Instants cross the wire as ISO 8601. */
const writeEvent = ({ timestamp, ...rest }: EventInput) => ({
  ...rest,
  ...(timestamp === undefined ? {} : { timestamp: toIso('timestamp', timestamp) }),
})

const writeOptions = ({ deliverAt, ...rest }: SendEventOptions) => ({
  ...rest,
  ...(deliverAt === undefined ? {} : { deliverAt: toIso('deliverAt', deliverAt) }),
})

function toIso(field: string, at: Date): string {
  if (at instanceof Date && Number.isFinite(at.getTime())) return at.toISOString()
  throw new AuthFlowError('invalid_input', `${field} must be a valid Date.`)
}

function connect({ url, secretKey, timeoutMs = defaultTimeoutMs }: ClientOptions) {
  if (url === undefined || url === '') throw missing('url')
  if (secretKey === undefined || secretKey === '') throw missing('secretKey')
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw invalid('url', 'an absolute http or https URL')
  if (!secretKeyPattern.test(secretKey)) throw invalid('secretKey', '`ctk_sk_` and 43 more characters')
  if (!(timeoutMs > 0 && timeoutMs <= 2 ** 31 - 1))
    throw invalid('timeoutMs', 'a positive number of milliseconds')
  return createTRPCClient<ApiRouter>({
    links: [
      httpLink({
        url: `${url.replace(/(?<!\/)\/+$/, '')}/api/trpc`,
        headers: { authorization: `Bearer ${secretKey}` },
        // Queries too: an account's id belongs in no URL, and so in no access log.
        methodOverride: 'POST',
        fetch: (input, init) =>
          fetch(input, { ...init, signal: AbortSignal.timeout(timeoutMs), redirect: 'error' }),
      }),
    ],
  })
}

/** Runs a call and turns what it throws into the error that the server meant. */
async function call<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    throw toClientError(cause)
  }
}

function toClientError(cause: unknown): unknown {
  if (!(cause instanceof TRPCClientError)) return cause
  const data: unknown = cause.data
  const reply = member(data, 'authflow')
  const code = member(reply, 'code')
  const message = member(reply, 'message')
  if (isErrorCode(code) && typeof message === 'string') {
    return new AuthFlowError(code, message, { details: detailsOf(reply) })
  }
  if (reply !== undefined)
    return new AuthFlowError('internal', 'The server answered with an unknown error code.')
  return new AuthFlowError(
    'network_error',
    'The authflow server cannot be reached, or what answers is none.',
    { cause },
  )
}

function detailsOf(reply: unknown): ErrorDetails {
  const details = member(reply, 'details')
  return typeof details === 'object' && details !== null ? details : {}
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined
}

const missing = (option: string) =>
  new AuthFlowError('missing_option', `createClient: the option \`${option}\` is missing.`, {
    details: { option },
  })

const invalid = (option: string, expected: string) =>
  new AuthFlowError('invalid_option', `createClient: \`${option}\` must be ${expected}.`, {
    details: { option },
  })

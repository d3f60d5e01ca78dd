// Spans of the work of one server, by the API of OpenTelemetry and its conventions for messaging and HTTP. The host
// registers the SDK that collects them; what spans are called and what they show is decided here alone.

import type * as api from '@opentelemetry/api'
import type { Attributes, Context, Span, SpanKind } from '@opentelemetry/api'
import { isAuthFlowError } from '../shared/errors.ts'
import {
  formatTraceparent,
  noTracing,
  parseTraceparent,
  type Traced,
  type TracedAttempt,
  type TracedEnd,
  type TracedEvent,
  type TracedRequest,
  type TracedRun,
  type Tracing,
} from '../shared/tracing.ts'
import { loadPeer } from './integrations/sdk-peer.ts'
import { scrubText } from './vault/scrub-text.ts'
import { secretMark } from './vault/secret.ts'

type Otel = typeof api

/** What spans may show. */
export interface TracingOptions {
  /** Adds `authflow.account.id` to the spans of runs (default false: an id may be an address, and traces travel). */
  readonly accountIds?: boolean
}

const scope = 'authflow'
/** Longest text of an attribute, in characters. */
const maxLength = 256
/** Where a path holds something secret, as some providers' do, it is long and has digits. */
const secretSegment = /^(?=[^/]*\d)[\w.~:%-]{24,}$/

/**
 * Traces by the tracer that the host has registered, or registers later. Undefined traces nothing and loads nothing.
 *
 * @throws {@link AuthFlowError} `missing_peer` when `@opentelemetry/api` is not installed
 */
export async function openTracing(options: TracingOptions | undefined): Promise<Tracing> {
  if (options === undefined) return noTracing
  const otel = await loadPeer('@opentelemetry/api', () => import('@opentelemetry/api'))
  return new OtelTracing(otel, options)
}

/** How a span is begun. */
interface Begin {
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: Attributes
}

class OtelTracing implements Tracing {
  readonly #otel: Otel
  readonly #options: TracingOptions

  constructor(otel: Otel, options: TracingOptions) {
    this.#otel = otel
    this.#options = options
  }

  sending({ name, source }: TracedEvent): Traced | undefined {
    const attributes = {
      ...messaging('send', 'send', name),
      ...(source === undefined ? {} : { 'authflow.event.source': cut(source) }),
    }
    return this.#begin({ name: `send ${cut(name)}`, kind: this.#otel.SpanKind.PRODUCER, attributes })
  }

  running(run: TracedRun, traceparent: string | undefined): Traced | undefined {
    const { id, job, jobVersion, accountId, fence } = run
    const attributes = {
      ...messaging('run', 'process', job),
      'authflow.run.id': id,
      'authflow.job.id': job,
      'authflow.job.version': jobVersion,
      ...(fence === undefined ? {} : { 'authflow.run.execution': fence }),
      ...(this.#options.accountIds === true && accountId !== null
        ? { 'authflow.account.id': accountId }
        : {}),
    }
    const begin = { name: `run ${job}`, kind: this.#otel.SpanKind.CONSUMER, attributes }
    return this.#beginFor(traceparent, begin)
  }

  attempting(task: TracedAttempt, key: string): Traced | undefined {
    // Outside of an execution that is recorded there is nothing that it could be a part of.
    if (this.#otel.trace.getActiveSpan()?.isRecording() !== true) return undefined
    const { path, name = key, attempt, connection } = task
    const attributes = {
      'authflow.task.key': cut(key),
      'authflow.task.path': cut(path),
      'authflow.task.attempt': attempt,
      ...(connection === undefined ? {} : { 'authflow.task.connection': connection }),
    }
    return this.#begin({ name: `task ${cut(name)}`, kind: this.#otel.SpanKind.INTERNAL, attributes })
  }

  asking({ method, url }: TracedRequest): Traced | undefined {
    const attributes = {
      'http.request.method': method,
      'server.address': url.hostname,
      'server.port': Number(url.port) || (url.protocol === 'http:' ? 80 : 443),
      'url.full': showUrl(url),
    }
    return this.#begin({ name: method, kind: this.#otel.SpanKind.CLIENT, attributes })
  }

  refreshing(integration: string): Traced | undefined {
    const attributes = { 'authflow.integration.id': integration }
    return this.#begin({ name: `refresh ${integration}`, kind: this.#otel.SpanKind.INTERNAL, attributes })
  }

  receiving(webhook: string): Traced | undefined {
    const attributes = messaging('receive', 'receive', webhook)
    return this.#begin({ name: `receive ${webhook}`, kind: this.#otel.SpanKind.CONSUMER, attributes })
  }

  reading(webhook: string, traceparent: string | undefined): Traced | undefined {
    const attributes = messaging('read', 'process', webhook)
    const begin = { name: `read ${webhook}`, kind: this.#otel.SpanKind.CONSUMER, attributes }
    return this.#beginFor(traceparent, begin)
  }

  here(): { readonly trace_id: string; readonly span_id: string } | undefined {
    const at = this.#otel.trace.getActiveSpan()?.spanContext()
    return at && { trace_id: at.traceId, span_id: at.spanId }
  }

  continuing<T>(traceparent: string | undefined, work: () => T): T {
    const { context, trace } = this.#otel
    // What the host's own instrumentation has begun for the request knows better.
    if (trace.getSpan(context.active()) !== undefined) return work()
    const at = this.#contextOf(traceparent)
    return at === undefined ? work() : context.with(at, work)
  }

  #begin(begin: Begin): Traced | undefined {
    return this.#start(begin, this.#otel.context.active())
  }

  /** On behalf of somebody elsewhere or earlier, and of nobody who happens to be active here. */
  #beginFor(traceparent: string | undefined, begin: Begin): Traced | undefined {
    return this.#start(begin, this.#contextOf(traceparent) ?? this.#otel.ROOT_CONTEXT, true)
  }

  #start({ name, kind, attributes }: Begin, parent: Context, isLinked = false): Traced | undefined {
    const { trace } = this.#otel
    const cause = isLinked ? trace.getSpanContext(parent) : undefined
    const links = cause === undefined ? [] : [{ context: cause }]
    try {
      const span = trace.getTracer(scope).startSpan(name, { kind, attributes, links }, parent)
      // Nobody has registered a tracer.
      if (!trace.isSpanContextValid(span.spanContext())) return undefined
      return new TracedSpan(this.#otel, span, trace.setSpan(parent, span))
    } catch {
      // A sampler or a processor of the host's threw. What is being traced goes on.
      return undefined
    }
  }

  #contextOf(traceparent: string | undefined): Context | undefined {
    const { ROOT_CONTEXT, trace, TraceFlags } = this.#otel
    const found = parseTraceparent(traceparent)
    if (found === undefined) return undefined
    const { traceId, spanId, sampled } = found
    const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
  }
}

/** One span as the server's parts have it in hand. */
class TracedSpan implements Traced {
  readonly #otel: Otel
  readonly #span: Span
  readonly #context: Context
  #ended = false

  constructor(otel: Otel, span: Span, context: Context) {
    this.#otel = otel
    this.#span = span
    this.#context = context
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext()
    return formatTraceparent({ traceId, spanId, sampled: (traceFlags & this.#otel.TraceFlags.SAMPLED) !== 0 })
  }

  within<T>(work: () => T): T {
    return this.#otel.context.with(this.#context, work)
  }

  end({ outcome, status, error }: TracedEnd = {}): void {
    if (this.#ended) return
    this.#ended = true
    const failure = error === undefined ? failureOf(status) : nameOf(error)
    try {
      if (outcome !== undefined) this.#span.setAttribute('authflow.outcome', outcome)
      if (status !== undefined) this.#span.setAttribute('http.response.status_code', status)
      if (failure !== undefined) {
        this.#span.setAttribute('error.type', failure)
        this.#span.setStatus({ code: this.#otel.SpanStatusCode.ERROR })
      }
      this.#span.end()
    } catch {
      // As at the start: the host's.
    }
  }
}

const messaging = (operation: string, type: string, destination: string): Attributes => ({
  'messaging.system': scope,
  'messaging.operation.name': operation,
  'messaging.operation.type': type,
  'messaging.destination.name': cut(destination),
})

const cut = (text: string): string => text.slice(0, maxLength)

const failureOf = (status: number | undefined): string | undefined =>
  status !== undefined && status >= 400 ? String(status) : undefined

/** A code of ours, or the name of a class: what stands in an error's text may be anybody's. */
function nameOf(error: unknown): string {
  if (isAuthFlowError(error)) return error.code
  const name = error instanceof Error ? error.name : ''
  return /^\w{1,64}$/.test(name) ? name : '_OTHER'
}

/** Without user, query and fragment, and without what may be secret in the path. */
function showUrl({ origin, pathname }: URL): string {
  const path = pathname.split('/').map((part) => (secretSegment.test(part) ? secretMark : part))
  return cut(scrubText(origin + path.join('/')))
}

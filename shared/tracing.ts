// What the server does as its parts tell it to whoever traces; `server/tracing.ts` makes spans of it.

/** What came of traced work. */
export interface TracedEnd {
  /** In one word out of code, such as `succeeded` or `asleep`. */
  readonly outcome?: string
  /** Status of the provider's answer. */
  readonly status?: number
  /** What it failed with. Only its code or its class is shown, never its text. */
  readonly error?: unknown
}

/** Work that is being traced. */
export interface Traced {
  /** Where it stands, as W3C Trace Context writes it: for what is done later on its behalf. */
  readonly traceparent: string
  /** Calls back; work that begins inside, however long after, is part of this one. */
  within<T>(work: () => T): T
  /** Ends it. The first call counts. */
  end(how?: TracedEnd): void
}

/** An event that is taken in. */
export interface TracedEvent {
  readonly name: string
  readonly source?: string
}

/** One execution of a run. */
export interface TracedRun {
  readonly id: string
  readonly job: string
  readonly jobVersion: string
  readonly accountId: string | null
  /** Rises with every execution. */
  readonly fence?: number
}

/** One attempt of a task. */
export interface TracedAttempt {
  readonly path: string
  /** Of the task, for people; absent where it is its key. */
  readonly name?: string
  readonly attempt: number
  /** Key of the integration that it acts through. */
  readonly connection?: string
}

/** A request to a provider. */
export interface TracedRequest {
  readonly method: string
  readonly url: URL
}

/**
 * Follows what operators want to see as a whole. Every method gives undefined, at no cost worth naming, where nobody
 * traces or this piece is not sampled, and never throws. Names out of code and configuration may become attributes;
 * payloads, outputs, texts of errors and queries never do.
 */
export interface Tracing {
  /** An event is being taken in. */
  sending(event: TracedEvent): Traced | undefined
  /** A run is being executed, on behalf of whoever sent its event. */
  running(run: TracedRun, traceparent: string | undefined): Traced | undefined
  /** A task is being tried. Part of the execution around it. */
  attempting(task: TracedAttempt, key: string): Traced | undefined
  /** A provider is being asked. */
  asking(request: TracedRequest): Traced | undefined
  /** Credentials are being refreshed. `integration` is the id. */
  refreshing(integration: string): Traced | undefined
  /** A webhook request is being judged and stored. `webhook` names the integration or the endpoint. */
  receiving(webhook: string): Traced | undefined
  /** A stored webhook request is being read, on behalf of its receiving. */
  reading(webhook: string, traceparent: string | undefined): Traced | undefined
  /** The span that the caller is in, as log lines name it. */
  here(): { readonly trace_id: string; readonly span_id: string } | undefined
  /** Calls back as part of what the caller elsewhere says it is doing; what is no `traceparent` counts as none. */
  continuing<T>(traceparent: string | undefined, work: () => T): T
}

/** Does the work as the traced one that is given, if there is one, and ends it with what the work came to. */
export async function follow<T>(
  traced: Traced | undefined,
  work: () => Promise<T>,
  endOf: (result: T) => TracedEnd = () => ({}),
): Promise<T> {
  if (traced === undefined) return work()
  try {
    const result = await traced.within(work)
    traced.end(endOf(result))
    return result
  } catch (error) {
    traced.end({ error })
    throw error
  }
}

const nobody = (): undefined => undefined

/** Traces nothing: for hosts that did not ask for it. */
export const noTracing: Tracing = {
  sending: nobody,
  running: nobody,
  attempting: nobody,
  asking: nobody,
  refreshing: nobody,
  receiving: nobody,
  reading: nobody,
  here: nobody,
  continuing: (_, work) => work(),
}

/** `traceparent` of W3C Trace Context, §3.2, in the one version that there is; ids of zeros are none. */
const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/** The parts of a `traceparent`; undefined for anything else, whoever wrote it. */
export function parseTraceparent(
  text: unknown,
): { readonly traceId: string; readonly spanId: string; readonly sampled: boolean } | undefined {
  if (typeof text !== 'string') return undefined
  const [, traceId, spanId, flags] = traceparentPattern.exec(text) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** The `traceparent` of a span. */
export const formatTraceparent = (at: { traceId: string; spanId: string; sampled: boolean }): string =>
  `00-${at.traceId}-${at.spanId}-${at.sampled ? '01' : '00'}`

// Places in a run: the run itself, its tasks and the calls through integrations, each inside another.

/** The run itself or one task under way, as the io calls inside it see it. */
export interface Frame {
  readonly parent: Frame | undefined
  /** Empty for the run. */
  readonly path: string
  readonly depth: number
  /** Keys used so far. */
  readonly keys: Set<string>
  /** Log lines so far, by what they say; see {@link linesOf}. */
  lines: Map<string, number> | undefined
  /** The call through an integration that led here. */
  readonly call: BoundCall | undefined
  /** Of the task; absent for the run. */
  attempt?: number
  /** Open branches in it and below. */
  asleep: number
  active: boolean
}

/** A call through an integration, which is made again when the credentials were refused. */
export interface BoundCall {
  readonly connectionKey: string
  /** Keys that the call has used so far. */
  readonly keys: string[]
  /** SHA-256 of the secret in use; absent when it was made without credentials, which replays may do. */
  readonly tokenHash: string | undefined
  /** Makes the call again with other credentials; absent when that has happened. */
  readonly renew: (() => void) | undefined
}

/** A frame for a task inside another, or for a call through an integration at the same place as its caller. */
export function createFrame(parent: Frame | undefined, path: string, call?: BoundCall): Frame {
  return {
    parent,
    path,
    depth: parent === undefined ? 0 : parent.depth + 1,
    keys: new Set(),
    lines: undefined,
    call,
    asleep: 0,
    active: false,
  }
}

/** The log lines of a frame so far. Most have none. */
export const linesOf = (frame: Frame): Map<string, number> => (frame.lines ??= new Map())

/** The frame as seen from inside a call: the same place, keys and lines, but known to be within the call. */
export function withCall(frame: Frame, call: BoundCall): Frame {
  linesOf(frame)
  return { ...frame, parent: frame, call, asleep: 0, active: false }
}

/** True for the ancestor itself and for what is inside it. */
export function isBelow(frame: Frame | undefined, ancestor: Frame): boolean {
  for (let each = frame; each; each = each.parent) if (each === ancestor) return true
  return false
}

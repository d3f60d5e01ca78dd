// What is stored of concurrency limits: a row per limit and key with the runs that hold its slots, and a small document
// per run that waits for one, whose id says whose turn it is.

import { hash } from 'node:crypto'
import { defineSet, type NewDocument, type StoredDocument } from '../store/store.ts'

/** A limit as jobs publish it. */
export interface LimitRule {
  /** `job/<id>`, or `limit/<id>` for one that jobs share. */
  readonly name: string
  /** Runs at a time. */
  readonly limit?: number
  /** Runs at a time of each account. */
  readonly perAccount?: number
  /** When the process that says so was started; the newest counts while others run with older values. */
  readonly since: number
}

/** One lane that a run has to get a slot of. */
export interface LaneRef {
  readonly id: string
  readonly name: string
  readonly max: number
  readonly since: number
  /** Present where the lane is one account's: its row is there only while a slot of it is in use. */
  readonly isOfAccount?: true
}

/** A limit under one key: all runs, or those of one account. */
export interface LaneDocument extends StoredDocument {
  readonly name: string
  /** Slots there are. */
  readonly limit: number
  /** See {@link LimitRule.since}. */
  readonly since: number
  /** Slots in use: as many as there are holders. */
  readonly active: number
  /** By run: the token its slot was given with. */
  readonly holders: Readonly<Record<string, number>>
  /** The last token given. */
  readonly token: number
  /** Key of the account that was served last. */
  readonly cursor?: string
  readonly isOfAccount?: true
}

/** A run that waits for a slot. Its id is the lane, the section and account, the time and the run, in that order. */
export interface WaitDocument extends StoredDocument {
  readonly runId: string
  /** Version of the run's record when it began to wait. */
  readonly runVersion: number
  readonly lane: LaneRef
  /** Lanes that it needs after this one. */
  readonly rest: readonly LaneRef[]
}

/** Lanes. */
export const lanes = defineSet<LaneDocument>('lanes')

/** Runs that wait for a slot of a lane. */
export const waits = defineSet<WaitDocument>('waits')

const keyLength = 16
const laneLength = 24
const timeLength = 12

const short = (length: number, ...parts: readonly (string | null)[]): string =>
  hash('sha256', JSON.stringify(parts), 'base64url').slice(0, length)

const none: readonly LaneRef[] = []

/** Lanes that a run of the account needs a slot of, in the order in which it gets them: the account's own first. */
export function lanesOf(rule: LimitRule | undefined, accountId: string | null): readonly LaneRef[] {
  if (rule === undefined) return none
  const { name, limit, perAccount, since } = rule
  const refs: LaneRef[] = []
  if (perAccount !== undefined && accountId !== null)
    refs.push({ id: short(laneLength, name, accountId), name, max: perAccount, since, isOfAccount: true })
  if (limit !== undefined) refs.push({ id: short(laneLength, name), name, max: limit, since })
  return refs
}

/** What decides a run's turn. */
export interface Waiting {
  readonly id: string
  readonly accountId: string | null
  readonly createdAt: number
  readonly version: number
  /** Present when it has run before. */
  readonly fence?: number
}

/** The document of a run that waits for the first of the lanes. One that has run before goes before new ones. */
export function waitOf(
  run: Waiting,
  [lane, ...rest]: readonly LaneRef[],
): NewDocument<WaitDocument> | undefined {
  if (lane === undefined) return undefined
  const section = run.fence === undefined ? newRuns : resumedRuns
  const account = short(keyLength, run.accountId)
  const since = Math.floor(run.createdAt).toString(16).padStart(timeLength, '0')
  const id = `${lane.id}/${section}${account}/${since}${run.id}:${run.version}`
  return { id, runId: run.id, runVersion: run.version, lane, rest }
}

/** Sections of a lane: the first one is served first. */
export const resumedRuns = '0'
export const newRuns = '1'

const sectionAt = laneLength + 1

/** The section and the account's key of a wait. */
export const placeOf = (waitId: string): { section: string; account: string } => ({
  section: waitId.charAt(sectionAt),
  account: waitId.slice(sectionAt + 1, sectionAt + 1 + keyLength),
})

/** When the run of a wait was made, in ms. */
export const waitingSince = (waitId: string): number =>
  Number.parseInt(waitId.slice(sectionAt + 1 + keyLength + 1).slice(0, timeLength), 16)

/** Behind all waits of the same lane, section and account. */
export const nextAccount = (waitId: string): string => `${waitId.slice(0, sectionAt + 1 + keyLength)}0`

/** The lane of a wait. */
export const laneOf = (waitId: string): string => waitId.slice(0, laneLength)

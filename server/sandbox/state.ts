// What the stand-in providers remember: apps, grants, tokens by their hash, and what arrived. One JSON file, written
// whole beside itself and renamed, so that a kill at any moment leaves the old or the new state, never half of one.

import { readFileSync, renameSync, writeFileSync } from 'node:fs'

import { z } from 'zod'

import { AuthFlowError } from '../../shared/errors.ts'

const text = z.string()
const instant = z.number()

const appSchema = z.object({ clientId: text, clientSecret: text })

const grantSchema = z.object({
  id: text,
  provider: text,
  person: text,
  /** Workspace, organisation or shop. */
  place: text,
  scopes: z.array(text),
  userScopes: z.array(text),
  revoked: z.boolean(),
})

const tokenSchema = z.object({
  hash: text,
  grantId: text,
  kind: z.enum(['access', 'refresh']),
  /** Which of several tokens of the grant: Slack's `bot` and `user`. */
  subject: text,
  expiresAt: instant.nullable(),
  /** `superseded`: a newer refresh token was issued but has not been used yet. */
  state: z.enum(['live', 'superseded', 'ended']),
  /** Hash of the refresh token that this one replaces. */
  replaces: text.nullable(),
})

const codeSchema = z.object({
  hash: text,
  provider: text,
  redirectUri: text,
  challenge: text.nullable(),
  person: text,
  place: text,
  scopes: z.array(text),
  userScopes: z.array(text),
  expiresAt: instant,
  /** The grant it was exchanged for; a second exchange ends that grant. */
  grantId: text.nullable(),
})

const messageSchema = z.object({
  team: text,
  channel: text,
  ts: text,
  text,
  user: text,
  threadTs: text.nullable(),
  clientMessageId: text.nullable(),
})

const issueSchema = z.object({
  repo: text,
  number: z.number(),
  title: text,
  body: text,
  author: text,
  createdAt: text,
})

const commentSchema = z.object({
  id: z.number(),
  repo: text,
  issue: z.number(),
  body: text,
  author: text,
  createdAt: text,
})

const hookSchema = z.object({
  id: z.number(),
  /** `repos/acme/website` or `orgs/acme`. */
  place: text,
  url: text,
  secret: text,
  events: z.array(text),
  active: z.boolean(),
  grantId: text,
})

const airtableHookSchema = z.object({
  id: text,
  base: text,
  url: text,
  secret: text,
  expirationTime: text,
  changeTypes: z.array(text).nullable(),
  enabled: z.boolean(),
  payloads: z.array(
    z.object({
      timestamp: text,
      baseTransactionNumber: z.number(),
      actionMetadata: z.object({ source: text }),
      changedTablesById: z.record(text, z.json()),
    }),
  ),
})

const shopifyHookSchema = z.object({ id: text, shop: text, topic: text, uri: text })

const recordSchema = z.object({
  id: text,
  base: text,
  table: text,
  fields: z.record(text, z.json()),
  createdTime: text,
})

const productSchema = z.object({ id: text, shop: text, title: text, status: text, createdAt: text })

const stateSchema = z.object({
  version: z.literal(1),
  apps: z.record(text, appSchema),
  grants: z.record(text, grantSchema),
  tokens: z.record(text, tokenSchema),
  codes: z.record(text, codeSchema),
  slack: z.object({ messages: z.array(messageSchema), joined: z.array(text) }),
  github: z.object({
    issues: z.array(issueSchema),
    comments: z.array(commentSchema),
    hooks: z.array(hookSchema).default([]),
  }),
  airtable: z.object({ records: z.array(recordSchema), hooks: z.array(airtableHookSchema).default([]) }),
  shopify: z.object({ products: z.array(productSchema), hooks: z.array(shopifyHookSchema).default([]) }),
})

/** Everything the stand-ins remember. */
export type SandboxState = z.infer<typeof stateSchema>
/** One person's consent at one stand-in. */
export type Grant = z.infer<typeof grantSchema>
/** An issued token; only its hash is kept. */
export type Token = z.infer<typeof tokenSchema>
/** A message that was posted at the stand-in Slack. */
export type SlackMessageRow = z.infer<typeof messageSchema>
/** An issue of the stand-in GitHub. */
export type GithubIssueRow = z.infer<typeof issueSchema>
/** A comment that was made at the stand-in GitHub. */
export type GithubCommentRow = z.infer<typeof commentSchema>
/** A webhook of the stand-in GitHub. */
export type GithubHookRow = z.infer<typeof hookSchema>
/** A webhook of the stand-in Airtable. */
export type AirtableHookRow = z.infer<typeof airtableHookSchema>
/** A webhook of the stand-in Shopify. */
export type ShopifyHookRow = z.infer<typeof shopifyHookSchema>
/** A record of the stand-in Airtable. */
export type AirtableRecordRow = z.infer<typeof recordSchema>
/** A product of the stand-in Shopify. */
export type ShopifyProductRow = z.infer<typeof productSchema>

/** The state and its file. */
export interface StateFile {
  readonly data: SandboxState
  /** Resolves when everything changed so far is in the file. Calls of one turn of the event loop share one write. */
  save(): Promise<void>
  /** Writes at once. */
  flush(): void
}

function emptyState(): SandboxState {
  return {
    version: 1,
    apps: {},
    grants: {},
    tokens: {},
    codes: {},
    slack: { messages: [], joined: [] },
    github: { issues: [], comments: [], hooks: [] },
    airtable: { records: [], hooks: [] },
    shopify: { products: [], hooks: [] },
  }
}

function readState(path: string): SandboxState {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch {
    return emptyState()
  }
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    value = undefined
  }
  const parsed = stateSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new AuthFlowError(
    'invalid_option',
    `stateFile: ${path} is not a state file of the stand-ins. Delete it.`,
    {
      details: { option: 'stateFile' },
    },
  )
}

/**
 * Opens the state; a missing file is an empty state. Without a path nothing is kept.
 *
 * @throws {@link AuthFlowError} `invalid_option` when the file is something else
 */
export function openState(path: string | undefined): StateFile {
  const data = path === undefined ? emptyState() : readState(path)
  let pending: Promise<void> | undefined
  const flush = (): void => {
    if (path === undefined) return
    const temporary = `${path}.${process.pid}.tmp`
    writeFileSync(temporary, JSON.stringify(data), { mode: 0o600 })
    renameSync(temporary, path)
  }
  return {
    data,
    flush,
    save() {
      pending ??= new Promise((resolve, reject) => {
        setImmediate(() => {
          pending = undefined
          try {
            flush()
            resolve()
          } catch (error) {
            reject(error)
          }
        })
      })
      return pending
    },
  }
}

// Airtable: acting as an account with the official airtable SDK. How accounts connect is in airtable-connect.ts, how the
// SDK sends is in airtable-transport.ts. Provider facts: airtable.com/developers/web/api/rate-limits, read 2026-11-21.

import type AirtableSdk from 'airtable'
import type { ApiKeyAuth, OAuth2Auth } from '../../shared/auth.ts'
import { AuthFlowError, isAuthFlowError } from '../../shared/errors.ts'
import type { IO, Json, TaskOptions } from '../jobs/job.ts'
import { airtableConnect, airtableEndpoints, type AirtableEndpoints } from './airtable-connect.ts'
import { airtableSources, type AirtableSources } from './airtable-sources.ts'
import { airtableLimits, rateLimitWaitMs } from './airtable-limits.ts'
import { createAirtableClient } from './airtable-transport.ts'
import { checkAuthSource, checkCredential, checkId, type OAuthAppOptions } from './checked-options.ts'
import { failureError, member, type ProviderFailure } from './provider-failure.ts'
import { ProviderIntegration } from './provider-integration.ts'
import { loadPeer } from './sdk-peer.ts'

export type { AirtableEndpoints } from './airtable-connect.ts'
export { events } from './airtable-sources.ts'
export type { AirtableBaseParams, AirtableChangePayload, AirtableSources } from './airtable-sources.ts'

/** Options of {@link Airtable}: `token` for the product's own account, or `connect` for its customers'. */
export interface AirtableOptions<Id extends string = string> {
  /** The host's own name for this integration: `airtable-customers`. */
  readonly id: Id
  /** A personal access token: runs of any account use it. */
  readonly token?: string | undefined
  /** Lets accounts connect. */
  readonly connect?: boolean
  /** The host's OAuth integration at Airtable. Without it accounts connect with personal access tokens only. */
  readonly oauth?: OAuthAppOptions
  /** Lets accounts connect with a personal access token typed into the form (default true). */
  readonly personalAccessToken?: boolean
  /** Another place than the real provider's, for stand-ins and proxies. */
  readonly endpoints?: AirtableEndpoints
}

/** Values of a record by the name or id of the field. Empty fields are absent. */
export type AirtableFields = {
  /** Text, number, true, or lists of them; attachments and links as Airtable documents them. */
  [field: string]: Json
}

/** A record. */
export type AirtableRecord<Fields extends AirtableFields = AirtableFields> = {
  /** `rec…`. */
  id: string
  /** By the name of the field. */
  fields: Fields
}

/** Which records to read. */
export type AirtableSelect = {
  /** Names of the fields to read (default all). */
  readonly fields?: string[]
  /** In Airtable's formula language. */
  readonly filterByFormula?: string
  /** At most so many records over all pages. */
  readonly maxRecords?: number
  /** (default and at most 100) */
  readonly pageSize?: number
  /** Ascending unless it says otherwise. */
  readonly sort?: { field: string; direction?: 'asc' | 'desc' }[]
  /** Name or id of a view, whose filter and order apply. */
  readonly view?: string
}

/** Tasks on one table. `Fields` is what the caller says the table holds; the provider is not asked. */
export interface AirtableTable<Fields extends AirtableFields = AirtableFields> {
  /** All pages of the records that match. */
  getRecords(key: string, select?: AirtableSelect, options?: TaskOptions): Promise<AirtableRecord<Fields>[]>
  /** One record. Throws `provider_rejected` with status 404 when it is not there. */
  getRecord(key: string, recordId: string, options?: TaskOptions): Promise<AirtableRecord<Fields>>
  /** Creates 1 to 10 records. Airtable takes no idempotency key: a lost answer may leave them twice. */
  createRecords(
    key: string,
    records: readonly { readonly fields: Partial<Fields> }[],
    options?: TaskOptions,
  ): Promise<AirtableRecord<Fields>[]>
  /** Changes the named fields of 1 to 10 records; other fields stay. */
  updateRecords(
    key: string,
    records: readonly { readonly id: string; readonly fields: Partial<Fields> }[],
    options?: TaskOptions,
  ): Promise<AirtableRecord<Fields>[]>
  /** Deletes 1 to 10 records. */
  deleteRecords(key: string, recordIds: readonly string[], options?: TaskOptions): Promise<{ id: string }[]>
}

/** One base. */
export interface AirtableBase {
  /** A table by its name or id. */
  table<Fields extends AirtableFields = AirtableFields>(table: string): AirtableTable<Fields>
}

const name = 'Airtable'

const batchLimit = 10

/** Airtable in the name of a user. */
export class Airtable<const Id extends string = string> extends ProviderIntegration<
  Id,
  OAuth2Auth | ApiKeyAuth,
  AirtableSdk
> {
  /** Where webhooks come from: `airtable.sources.base`. For `DynamicTrigger`. */
  readonly sources: AirtableSources
  readonly #options: AirtableOptions<Id>
  readonly #apiUrl: string

  /**
   * @throws {@link AuthFlowError} `missing_option` naming the option and the id, also for a credential that is given but
   *   undefined; `invalid_option`
   */
  constructor(options: AirtableOptions<Id>) {
    const self = { name, id: options.id }
    checkId(self)
    const local = Object.hasOwn(options, 'token')
    if (local) checkCredential(self, 'token', options.token)
    const authSource = checkAuthSource(self, { connect: options.connect, local, localOption: 'token' })
    const addresses = airtableEndpoints(self, options.endpoints)
    const connect = options.connect ? airtableConnect(self, options, addresses) : undefined
    const endpoints = options.endpoints ? [addresses.webUrl, addresses.apiUrl] : []
    super({
      id: options.id,
      provider: 'airtable',
      name,
      authSource,
      connect,
      endpoints,
      limits: airtableLimits,
    })
    this.#options = options
    this.#apiUrl = addresses.apiUrl
    const { apiUrl } = addresses
    this.sources = airtableSources({ self, integration: this, apiUrl, token: options.token })
  }

  override cloneForRun(io: IO, connectionKey: string, auth?: OAuth2Auth | ApiKeyAuth): Airtable<Id> {
    return new Airtable(this.#options).bindTo(this, io, connectionKey, auth)
  }

  override async createClient(auth?: OAuth2Auth | ApiKeyAuth): Promise<AirtableSdk> {
    const given = auth && (auth.type === 'oauth2' ? auth.accessToken : auth.apiKey)
    const token = this.#options.token ?? given
    if (token === undefined) throw this.notConnected()
    const sdk = await loadPeer('airtable', () => import('airtable'))
    return createAirtableClient(sdk.default, {
      token,
      endpointUrl: this.#apiUrl,
      fetch: (url, init) => this.sdkFetch(url, init),
    })
  }

  /** Tasks on a base, by its id: `io.airtable.base('app…').table('Orders').getRecords('orders')`. */
  base(baseId: string): AirtableBase {
    return { table: (table) => this.#table(baseId, table) }
  }

  #table<Fields extends AirtableFields>(base: string, table: string): AirtableTable<Fields> {
    // The SDK's own types of fields are those of Airtable; which of them a table has only the caller knows.
    const shape = ({ id, fields }: { id: string; fields: object }): AirtableRecord<Fields> => ({
      id,
      fields: JSON.parse(JSON.stringify(fields)),
    })
    const of = (client: AirtableSdk) => client.base(base).table(table)
    const task = (title: string, params: Json, options: TaskOptions): TaskOptions => ({
      name: title,
      params: { base, table, ...(params === null ? {} : { input: params }) },
      ...options,
    })
    return {
      getRecords: (key, select = {}, options = {}) =>
        this.runTask(
          key,
          async (client) =>
            (
              await of(client)
                .select({ ...select })
                .all()
            ).map(shape),
          task('Get records', select, options),
        ),
      getRecord: (key, recordId, options = {}) =>
        this.runTask(
          key,
          async (client) => shape(await of(client).find(recordId)),
          task('Get record', recordId, options),
        ),
      createRecords: (key, records, options = {}) =>
        this.runTask(
          key,
          async (client) => (await of(client).create(this.#batch<NewRecord>(records))).map(shape),
          task('Create records', plain(records), options),
        ),
      updateRecords: (key, records, options = {}) =>
        this.runTask(
          key,
          async (client) => (await of(client).update(this.#batch<ChangedRecord>(records))).map(shape),
          task('Update records', plain(records), options),
        ),
      deleteRecords: (key, recordIds, options = {}) =>
        this.runTask(
          key,
          async (client) =>
            (await of(client).destroy(this.#batch<string>(recordIds))).map(({ id }) => ({ id })),
          task('Delete records', [...recordIds], options),
        ),
    }
  }

  /** A copy in the SDK's own types. What a table holds only the caller knows, and only Airtable judges. */
  #batch<T>(items: readonly unknown[]): T[] {
    if (items.length > 0 && items.length <= batchLimit) return JSON.parse(JSON.stringify(items))
    throw new AuthFlowError(
      'invalid_input',
      `Airtable takes 1 to ${batchLimit} records at a time; got ${items.length}.`,
      {
        details: { integration: this.id, limit: batchLimit },
      },
    )
  }

  protected override explain(error: unknown): unknown {
    if (isAuthFlowError(error)) return error
    const failure = failureOf(error)
    return failure === undefined ? error : failureError(this.self, failure)
  }
}

type NewRecord = { fields: Partial<AirtableSdk.FieldSet> }
type ChangedRecord = NewRecord & { id: string }

const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value))

/** The facts of an `AirtableError`, which is no `Error`; undefined for anything else. */
function failureOf(error: unknown): ProviderFailure | undefined {
  const code = member(error, 'error')
  const status = member(error, 'statusCode')
  if (error instanceof TypeError) return undefined
  if (typeof code !== 'string' || (typeof status !== 'number' && status !== null)) return undefined
  if (status === null) return {}
  if (status === 429) return { status, code, rateLimited: true, retryAfterMs: rateLimitWaitMs }
  return { status, code, garbled: status < 400 }
}

// Airtable's SDK with our way out under it. The SDK takes no fetch; its own sends without a bound on the answer, follows
// redirects, and throws where nobody can catch when a 200 holds something else than records. Both of its request
// methods are public, so they are overridden here, and its records and queries stay as they are.

import type AirtableSdk from 'airtable'
import { member } from './provider-failure.ts'
import type { SdkRequest } from './provider-integration.ts'

type Sdk = typeof AirtableSdk
type BaseClass = InstanceType<Sdk['Base']>
type BaseOptions = NonNullable<Parameters<BaseClass['makeRequest']>[0]>
type BaseReply = Awaited<ReturnType<BaseClass['makeRequest']>>

/** What {@link createAirtableClient} needs. */
export interface AirtableTransport {
  readonly token: string
  /** `https://api.airtable.com`, always given, so that no environment variable can change it. */
  readonly endpointUrl: string
  fetch(url: string, init: SdkRequest): Promise<Response>
}

/** An instance of the SDK whose bases send through the given fetch. */
export function createAirtableClient(sdk: Sdk, transport: AirtableTransport): AirtableSdk {
  const Base = guardedBase(sdk, transport)

  class Client extends sdk {
    override base(baseId: string): AirtableSdk.Base {
      const base = new Base(this, baseId)
      const table: AirtableSdk.Base['table'] = (tableName) => base.table(tableName)
      const call: typeof table = (tableName) => base.table(tableName)
      const makeRequest = (options?: BaseOptions): Promise<BaseReply> => base.makeRequest(options)
      return Object.assign(call, { table, makeRequest, getId: () => baseId })
    }
  }

  return new Client({
    apiKey: transport.token,
    endpointUrl: transport.endpointUrl,
    noRetryIfRateLimited: true,
  })
}

/** The SDK's class of bases with both ways to send overridden. */
function guardedBase(sdk: Sdk, transport: AirtableTransport): Sdk['Base'] {
  return class extends sdk.Base {
    override async makeRequest(options: BaseOptions = {}): Promise<BaseReply> {
      const method = (options.method ?? 'GET').toUpperCase()
      const hasBody =
        options.body !== undefined && options.body !== null && method !== 'GET' && method !== 'DELETE'
      const place = `/v0/${encodeURIComponent(this.getId())}${options.path ?? '/'}${queryOf(options.qs ?? {})}`
      const response = await transport.fetch(transport.endpointUrl + place, {
        method,
        headers: {
          ...options.headers,
          authorization: `Bearer ${transport.token}`,
          'content-type': 'application/json',
        },
        ...(hasBody ? { body: JSON.stringify(options.body) } : {}),
      })
      const body = parse(await response.text())
      const { status: statusCode, headers } = response
      const refusal = this._checkStatusForError(statusCode, body)
      if (refusal) throw refusal
      if (typeof body !== 'object' || body === null)
        throw new sdk.Error('UNEXPECTED_ERROR', 'no object', statusCode)
      return { statusCode, headers, body }
    }

    override runAction(...[method, path, qs, body, callback]: Parameters<BaseClass['runAction']>): void {
      const run = async (): Promise<void> => {
        const reply = await this.makeRequest({ method, path, qs, body })
        if (!isAnswer(reply.body)) throw new sdk.Error('UNEXPECTED_ERROR', 'no records', reply.statusCode)
        callback(null, undefined, reply.body)
      }
      run().catch((error: unknown) => callback(error))
    }
  }
}

/** The SDK reads `records` or a record without looking whether they are there. */
const isAnswer = (body: unknown): boolean =>
  Array.isArray(member(body, 'records')) || typeof member(body, 'id') === 'string'

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `{ fields: ['a'], sort: [{ field: 'b' }] }` as `?fields[]=a&sort[0][field]=b`. */
function queryOf(values: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams()
  const add = (prefix: string, value: unknown): void => {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        add(`${prefix}[${typeof item === 'object' && item !== null ? index : ''}]`, item)
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) add(`${prefix}[${key}]`, item)
    } else {
      query.append(prefix, value === undefined || value === null ? '' : String(value))
    }
  }
  for (const [key, value] of Object.entries(values)) add(key, value)
  return query.size > 0 ? `?${query}` : ''
}

// What is stored of registrations and deliveries. What a registration is to be is written by those who register; how it
// stands at the provider by the one process that has its lease, under the lease's fence.

import type { Connection } from '../../shared/auth.ts'
import type { EventFilter, Json } from '../jobs/job.ts'
import { digest } from '../jobs/records.ts'
import { defineSet, type StoredDocument } from '../store/store.ts'
import type { SealedSet } from '../vault/sealed-set.ts'
import type { SealedRecordType, Vault } from '../vault/vault.ts'
import type { RegistrationState } from './registration.ts'

/** How a registration stands at its provider. */
export interface AppliedHook {
  /** The revision that it was made for. */
  readonly revision: number
  /** As whom it was made. */
  readonly accountId: string | null
  readonly params: Json
  /** Which events the provider was told to send; absent where it is told nothing. */
  readonly events?: readonly string[]
  /** From the source: what is needed to find it again. */
  readonly data: Json
  readonly expiresAt: number | null
  /** When it was made, changed or renewed: its life begins here. */
  readonly madeAt: number
}

/** One account's use of a dynamic trigger. Its id is a digest of trigger and key. */
export interface RegistrationDocument extends StoredDocument {
  /** The same for all, so that due ones can be listed. */
  readonly scope: 'registration'
  readonly trigger: string
  readonly key: string
  readonly integration: string
  readonly accountId: string | null
  /** Digest of integration and account. */
  readonly connection: string
  readonly params: Json
  readonly filter: EventFilter | null
  readonly metadata: Json
  /** False: to be removed. */
  readonly wanted: boolean
  /** One more with every change of what it is to be. */
  readonly revision: number
  /** Random; the last part of its URL. */
  readonly hook: string
  /** Sealed secret by the hook it was made for; `previous` during a rotation. */
  readonly secrets: { readonly current?: string; readonly previous?: string }
  /** Until when the previous secret is accepted. */
  readonly previousUntil: number | null
  /** Where deliveries name a tenant: digest of integration and tenant. */
  readonly tenant: string | null
  /** Who the account is at the provider. Another identity does not take the registration over. */
  readonly identityId: string | null
  readonly applied: AppliedHook | null
  /** How far the source was read. */
  readonly progress: Json
  /** Fence of the lease that wrote last. */
  readonly fence: number
  readonly state: RegistrationState
  readonly error: { readonly code: string; readonly message: string } | null
  /** Failures in a row. */
  readonly failures: number
  /** When it is to be looked at. */
  readonly dueAt: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** A request that was believed. Its id is a digest of where it came to and of its delivery id. */
export interface DeliveryDocument extends StoredDocument {
  /** Absent once its events are durable. */
  readonly place?: 'received' | 'failed'
  /** When it is to be looked at. */
  readonly dueAt?: number
  /** Where it came to: `registration/<id>`, `app/<integration>` or `http/<trigger>`. */
  readonly target: string
  /** What it is called: id of the integration or of the endpoint. */
  readonly webhook?: string
  readonly deliveryId: string
  /** App sources: digest of integration and tenant. */
  readonly tenant: string | null
  /** Sealed `{ headers, body }`; gone once its events are durable, or after a week. */
  readonly request?: string
  readonly receivedAt: number
  readonly attempts: number
  /** Where its receiving stands in a trace. */
  readonly traceparent?: string
}

/** Registrations. */
export const registrations = defineSet<RegistrationDocument>('registrations', {
  due: ['scope', 'dueAt'],
  all: ['scope', 'createdAt'],
  trigger: ['trigger', 'createdAt'],
  account: ['accountId', 'createdAt'],
  connection: ['connection', 'createdAt'],
  tenant: ['tenant', 'createdAt'],
  hook: ['hook', 'createdAt'],
})

/** Deliveries. */
export const deliveries = defineSet<DeliveryDocument>('deliveries', { place: ['place', 'dueAt'] })

/** Every set of the triggers; pass it to `Store.migrate`. */
export const triggerSets = [registrations, deliveries] as const

/** Id of a registration. */
export const registrationId = (trigger: string, key: string): string => digest('registration', trigger, key)

/** Value of {@link RegistrationDocument.connection}. */
export const connectionOf = (integration: string, accountId: string | null): string =>
  digest('connection', integration, accountId)

/** Value of {@link RegistrationDocument.tenant}. */
export const tenantKey = (integration: string, tenant: string): string =>
  digest('tenant', integration, tenant)

/** True while the account is connected as whom the registration was made. */
export function isUsable(
  { identityId }: Pick<RegistrationDocument, 'identityId'>,
  connection: Connection | undefined,
): boolean {
  if (!connection || connection.state === 'disconnected') return false
  return identityId === null || connection.identity.id === identityId
}

/** Who a secret of a registration belongs to. */
export type SecretPlace = Pick<RegistrationDocument, 'id' | 'integration' | 'hook'>

/** A registration's secret sealed: it opens for this registration and this hook only. */
export const sealSecret = (vault: Vault, place: SecretPlace, secret: string): string =>
  vault.seal(secret, placeOf(place))

/** The secret. Throws `unreadable_ciphertext`. */
export const openSecret = (vault: Vault, place: SecretPlace, sealed: string): string =>
  vault.open(sealed, placeOf(place))

/**
 * What changes of a registration whose connection has another name: the hook stays, its secrets are sealed for the new
 * place. Throws `unreadable_ciphertext`.
 */
export function placedAt(
  vault: Vault,
  found: SecretPlace & Pick<RegistrationDocument, 'secrets'>,
  to: Pick<RegistrationDocument, 'integration' | 'accountId'>,
): Pick<RegistrationDocument, 'integration' | 'accountId' | 'connection' | 'secrets'> {
  const { integration, accountId } = to
  const place = { integration, accountId, connection: connectionOf(integration, accountId) }
  if (integration === found.integration) return { ...place, secrets: found.secrets }
  const secrets = Object.entries(found.secrets).map(([name, sealed]) => [
    name,
    sealSecret(vault, { ...found, integration }, openSecret(vault, found, sealed)),
  ])
  return { ...place, secrets: Object.fromEntries(secrets) }
}

const placeOf = ({ id, integration, hook }: SecretPlace) => ({
  recordType: 'registration' as const,
  recordId: id,
  integration,
  accountId: '',
  field: `secret.${hook}`,
})

const registrationSet: SealedSet<RegistrationDocument> = {
  set: registrations,
  busy: () => undefined,
  reseal: (record, vault) => ({
    secrets: Object.fromEntries(
      Object.entries(record.secrets).map(([name, sealed]) => [name, vault.reseal(sealed, placeOf(record))]),
    ),
  }),
}

const deliverySet: SealedSet<DeliveryDocument> = {
  set: deliveries,
  busy: () => undefined,
  reseal: ({ id, request }, vault) =>
    request === undefined ? {} : { request: vault.session('delivery', id).reseal(request, 'request') },
}

/** Sets with sealed values by the kind of record they are sealed for. */
export const triggerSealedSets = {
  registration: [registrationSet],
  delivery: [deliverySet],
} as const satisfies Partial<Record<SealedRecordType, readonly SealedSet[]>>

// Seals the secrets of a record field by field, each for its place: type and id of the record, integration, account and
// field name. Plaintext lives in the call that uses it and nowhere else.

import type { FieldSet, TokenSet } from '../integrations/integration.ts'
import type { Vault } from '../vault/vault.ts'

/** The kinds of records of this service that hold secrets. */
export type SecretRecordType = 'credential' | 'flow' | 'authorization' | 'teardown'

/** The record that secrets belong to. */
export interface SecretOwner {
  readonly id: string
  readonly integration: string
  readonly accountId: string
}

/** Sealed texts by field name. */
export type SealedSecrets = Readonly<Record<string, string>>

/** Seals, opens and moves the secrets of one kind of record. */
export interface SecretBox {
  seal(owner: SecretOwner, secrets: Readonly<Record<string, string>>): SealedSecrets
  /** Undefined when the record has no such secret. Throws `unreadable_ciphertext`. */
  open(owner: SecretOwner, sealed: SealedSecrets, field: string): string | undefined
  openAll(owner: SecretOwner, sealed: SealedSecrets): Record<string, string>
  /** The same secrets under the key that writes. Throws `unreadable_ciphertext`. */
  reseal(owner: SecretOwner, sealed: SealedSecrets): SealedSecrets
}

/** Prefix of secret form fields among the secrets of a credential. */
const fieldPrefix = 'field.'

/** The box for one kind of record: what it seals opens as no other kind. */
export function secretBox(vault: Vault, recordType: SecretRecordType): SecretBox {
  const place = (owner: SecretOwner, field: string) => ({
    recordType,
    recordId: owner.id,
    integration: owner.integration,
    accountId: owner.accountId,
    field,
  })
  const open = (owner: SecretOwner, sealed: SealedSecrets, field: string): string | undefined => {
    const text = Object.hasOwn(sealed, field) ? sealed[field] : undefined
    return text === undefined ? undefined : vault.open(text, place(owner, field))
  }
  return {
    seal: (owner, secrets) =>
      mapValues(secrets, (field, plaintext) => vault.seal(plaintext, place(owner, field))),
    open,
    openAll: (owner, sealed) => mapValues(sealed, (field, text) => vault.open(text, place(owner, field))),
    reseal: (owner, sealed) => mapValues(sealed, (field, text) => vault.reseal(text, place(owner, field))),
  }
}

/** Secrets of a token set by field name. */
export function tokenSecrets(tokens: TokenSet): Record<string, string> {
  const { accessToken, refreshToken } = tokens
  return { accessToken, ...(refreshToken === undefined ? {} : { refreshToken }) }
}

/** Secrets made of form values: `field.<name>`. */
export function fieldSecrets(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [fieldPrefix + name, value]))
}

/** Form values among opened secrets, by their own names. */
export function fieldsOfSecrets(secrets: Readonly<Record<string, string>>): Record<string, string> {
  const fields = Object.entries(secrets).filter(([name]) => name.startsWith(fieldPrefix))
  return Object.fromEntries(fields.map(([name, value]) => [name.slice(fieldPrefix.length), value]))
}

/** Normalised values in two: those that may be shown, and those of secret fields. */
export function splitValues(
  fields: FieldSet | undefined,
  values: Readonly<Record<string, string>>,
): { readonly open: Record<string, string>; readonly secret: Record<string, string> } {
  const secretNames = new Set(fields?.form.filter((field) => field.secret).map((field) => field.name))
  const entries = Object.entries(values)
  return {
    open: Object.fromEntries(entries.filter(([name]) => !secretNames.has(name))),
    secret: Object.fromEntries(entries.filter(([name]) => secretNames.has(name))),
  }
}

function mapValues(
  record: Readonly<Record<string, string>>,
  change: (name: string, value: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(name, value)]))
}

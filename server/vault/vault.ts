// The vault's interface: sealing secrets so that each can be opened only at the place it was sealed for.

/**
 * The kinds of records that hold sealed values. A new kind is added here, and then the compiler wants its sets declared
 * in `server/sealed-sets.ts`, without which a rotation of the keys would not find them.
 */
export type SealedRecordType =
  | 'canary'
  | 'index_key'
  | 'credential'
  | 'flow'
  | 'authorization'
  | 'teardown'
  | 'run'
  | 'registration'
  | 'delivery'
  | 'value'

/** Where a sealed value belongs. All of it is authenticated: moved anywhere else, the value does not open. */
export interface SealContext<T extends string = SealedRecordType> {
  /** `credential`, `flow`, `run`, … */
  readonly recordType: T
  readonly recordId: string
  readonly integration: string
  readonly accountId: string
  /** Name of the field in the record. */
  readonly field: string
}

/** Seals and opens secrets with the key ring; the environment is part of every context. */
export interface Vault<T extends string = SealedRecordType> {
  /** Id of the key that writes. */
  readonly currentKid: string
  /** Ids of all keys of the ring, the one that writes first. */
  readonly kids: readonly string[]
  /**
   * Sealed text: `v1.<kid>.<base64url>`. Never the same twice.
   *
   * @throws {@link AuthFlowError} `invalid_input` (text that is not well-formed), `document_too_large` (over 16 MB)
   */
  seal(plaintext: string, context: SealContext<T>): string
  /** Like {@link seal} with a key of the ring that need not be the one that writes: for canaries. */
  sealWith(kid: string, plaintext: string, context: SealContext<T>): string
  /**
   * The plaintext.
   *
   * @throws {@link AuthFlowError} `unreadable_ciphertext`, one error for every cause
   */
  open(sealed: string, context: SealContext<T>): string
  /**
   * The value under the key that writes; the very text when it is already. The plaintext does not leave the vault.
   *
   * @throws {@link AuthFlowError} `unreadable_ciphertext`
   */
  reseal(sealed: string, context: SealContext<T>): string
  /**
   * A vault for many small values (the tasks of runs): its key is derived once an hour for all records of a type. What
   * it seals is opened only by a session of the same record, in any process that has the key. Making one again costs
   * nothing.
   */
  session(recordType: T, recordId: string): VaultSession
  /**
   * Sets the key of {@link blindIndex}, 32 random bytes that the store keeps sealed. It is no key of the ring, so that
   * digests stay the same when the ring is rotated.
   */
  useIndexKey(key: Uint8Array): void
  /**
   * Keyed digest for looking a value up without storing it: HMAC-SHA256, base64url. Another purpose or environment
   * gives other digests.
   *
   * @throws {@link AuthFlowError} `internal` before {@link useIndexKey}
   */
  blindIndex(purpose: string, ...parts: string[]): string
}

/** Seals values of one record under a derived key; record and field name are authenticated. */
export interface VaultSession {
  /** Sealed text: `s1.<kid>.<base64url>`. Never the same twice. Throws like {@link Vault.seal}. */
  seal(plaintext: string, field: string): string
  /** The plaintext. Throws `unreadable_ciphertext`. */
  open(sealed: string, field: string): string
  /** The value under the key that writes; the very text when it is already. Throws `unreadable_ciphertext`. */
  reseal(sealed: string, field: string): string
}

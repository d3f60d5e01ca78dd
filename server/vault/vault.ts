// The vault's interface: sealing secrets so that each can be opened only at the place it was sealed for.

/** Where a sealed value belongs. All of it is authenticated: moved anywhere else, the value does not open. */
export interface SealContext {
  /** `credential`, `flow`, `run`, … */
  readonly recordType: string
  readonly recordId: string
  readonly integration: string
  readonly accountId: string
  /** Name of the field in the record. */
  readonly field: string
}

/** Seals and opens secrets with the key ring; the environment is part of every context. */
export interface Vault {
  /** Id of the key that writes. */
  readonly currentKid: string
  /** Ids of all keys of the ring, the one that writes first. */
  readonly kids: readonly string[]
  /**
   * Sealed text: `v1.<kid>.<base64url>`. Never the same twice.
   *
   * @throws {@link AuthFlowError} `invalid_input` (text that is not well-formed), `document_too_large` (over 16 MB)
   */
  seal(plaintext: string, context: SealContext): string
  /** Like {@link seal} with a key of the ring that need not be the one that writes: for canaries. */
  sealWith(kid: string, plaintext: string, context: SealContext): string
  /**
   * The plaintext.
   *
   * @throws {@link AuthFlowError} `unreadable_ciphertext`, one error for every cause
   */
  open(sealed: string, context: SealContext): string
  /**
   * A vault whose key is derived once for the given record and cached, so that many small values of one record (the
   * tasks of a run) cost one derivation. What it seals is opened only by a session of the same record, in any process
   * that has the key. Making one again for the same record costs nothing.
   */
  session(recordType: string, recordId: string): VaultSession
  /**
   * Keyed digest for looking a value up without storing it: HMAC-SHA256 with a key of its own, derived from the key
   * that writes, base64url. Another purpose, environment or key gives other digests.
   */
  blindIndex(purpose: string, ...parts: string[]): string
}

/** Seals values of one record under one derived key; each field name is authenticated. */
export interface VaultSession {
  /** Sealed text: `s1.<kid>.<base64url>`. Never the same twice. Throws like {@link Vault.seal}. */
  seal(plaintext: string, field: string): string
  /** The plaintext. Throws `unreadable_ciphertext`. */
  open(sealed: string, field: string): string
}

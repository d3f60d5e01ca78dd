// What the constructors of integrations check, so that a missing environment variable is named at start and not found
// out by a customer. Credentials may be typed as possibly undefined: `process.env.SLACK_CLIENT_ID` can be passed as is.

import { createPrivateKey } from 'node:crypto'
import { AuthFlowError } from '../../shared/errors.ts'
import { namePattern } from '../../shared/ids.ts'
import type { ClientAuthentication, ClientKey, OAuthClientOptions } from './integration.ts'

/** The host's own app at a provider, as it is passed to a constructor. */
export interface OAuthAppOptions {
  readonly clientId: string | undefined
  /** Needed unless the provider takes signed assertions or public clients. */
  readonly clientSecret?: string | undefined
  /** PKCS #8 in PEM, or that with the key's id: for providers at which the app signs in the place of a secret. */
  readonly privateKey?: string | ClientKey | undefined
  /** Asked for at the provider, in its own words. */
  readonly scopes: readonly string[]
  /** Page of the host for those who install the app from the provider's own pages; see {@link OAuthClientOptions}. */
  readonly installUrl?: string
}

/** Which integration complains. */
export interface Complainant {
  /** `Slack`. */
  readonly name: string
  /** The host's own id: `slack-customers`. */
  readonly id: string
}

/** `missing_option` or `invalid_option` of one option of one integration. */
export function optionError(
  code: 'missing_option' | 'invalid_option',
  { name, id }: Complainant,
  problem: { readonly option: string; readonly what: string },
): AuthFlowError {
  const { option, what } = problem
  return new AuthFlowError(code, `${name} (${id}): \`${option}\` ${what}`, {
    details: { option, integration: id },
  })
}

/** Throws `invalid_option` unless the id is one. */
export function checkId(of: Complainant): void {
  if (typeof of.id === 'string' && namePattern.test(of.id)) return
  const what =
    'must start with a letter or digit and have at most 64 letters, digits, dots, underscores and hyphens.'
  throw optionError(
    'invalid_option',
    { name: of.name, id: String(of.id).slice(0, 64) },
    { option: 'id', what },
  )
}

/**
 * The value of an option that is a credential.
 *
 * @throws {@link AuthFlowError} `missing_option` when it is undefined or empty, `invalid_option` when it is no text or
 *   has white space, as a value copied with its line end has
 */
export function checkCredential(of: Complainant, option: string, value: unknown): string {
  if (value === undefined || value === null || value === '') {
    throw optionError('missing_option', of, {
      option,
      what: 'is given but has no value. Is its environment variable set?',
    })
  }
  if (typeof value === 'string' && !/\s/.test(value)) return value
  throw optionError('invalid_option', of, { option, what: 'must be text without white space.' })
}

/**
 * The secrets that a provider may sign with, the newest first; none where the host has none: then no request is believed.
 *
 * @throws {@link AuthFlowError} as {@link checkCredential}
 */
export function checkSigningSecrets(
  of: Complainant,
  options: { readonly signingSecret?: string | readonly string[] | undefined },
): readonly string[] {
  if (!Object.hasOwn(options, 'signingSecret')) return []
  const given = Array.isArray(options.signingSecret) ? options.signingSecret : [options.signingSecret]
  return given.map((secret) => checkCredential(of, 'signingSecret', secret))
}

/**
 * The host's app, complete for the way in which it proves itself (default by its secret).
 *
 * @throws {@link AuthFlowError} `missing_option` and `invalid_option`, naming `oauth.clientId` and so on
 */
export function checkOAuthApp(
  of: Complainant,
  oauth: OAuthAppOptions,
  clientAuth: ClientAuthentication = 'post',
): OAuthClientOptions {
  if (typeof oauth !== 'object' || oauth === null) {
    throw optionError('missing_option', of, { option: 'oauth', what: 'is given but has no value.' })
  }
  const { installUrl } = oauth
  return {
    clientId: checkCredential(of, 'oauth.clientId', oauth.clientId),
    clientSecret: needsSecret(clientAuth)
      ? checkCredential(of, 'oauth.clientSecret', oauth.clientSecret)
      : (oauth.clientSecret ?? ''),
    ...(clientAuth === 'privateKeyJwt' ? { privateKey: checkPrivateKey(of, oauth.privateKey) } : {}),
    scopes: checkScopes(of, oauth.scopes),
    ...(installUrl === undefined ? {} : { installUrl: checkPage(of, 'oauth.installUrl', installUrl) }),
  }
}

const needsSecret = (clientAuth: ClientAuthentication): boolean =>
  clientAuth !== 'none' && clientAuth !== 'privateKeyJwt'

function checkScopes(of: Complainant, scopes: unknown): readonly string[] {
  const isList = Array.isArray(scopes)
  const texts = isList ? scopes.filter((scope): scope is string => typeof scope === 'string') : []
  if (isList && texts.length === scopes.length && texts.every((scope) => /^[^\s,]+$/.test(scope))) {
    return [...new Set(texts)]
  }
  throw optionError('invalid_option', of, {
    option: 'oauth.scopes',
    what: 'must be a list with one scope in each text.',
  })
}

/** Read once at start, so that a key copied without its last line is found before a customer finds it. */
function checkPrivateKey(of: Complainant, given: string | ClientKey | undefined): ClientKey {
  const option = 'oauth.privateKey'
  const { pem, keyId } = typeof given === 'string' ? { pem: given, keyId: undefined } : (given ?? {})
  if (pem === undefined || pem === '') {
    throw optionError('missing_option', of, { option, what: 'is needed: the app signs with it.' })
  }
  try {
    createPrivateKey(pem)
  } catch {
    // The platform's error may quote the text.
    throw optionError('invalid_option', of, { option, what: 'must be a private key in PEM (PKCS #8).' })
  }
  return keyId === undefined ? { pem } : { pem, keyId }
}

function checkPage(of: Complainant, option: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password) return value
  throw optionError('invalid_option', of, { option, what: 'must be an absolute http or https URL.' })
}

/** How accounts are told from code: by `connect: true`, or by a credential of the product's own. */
export function checkAuthSource(
  of: Complainant,
  options: { readonly connect?: unknown; readonly local: boolean; readonly localOption: string },
): 'LOCAL' | 'HOSTED' {
  const { connect, local, localOption } = options
  if (connect !== undefined && connect !== true && connect !== false) {
    throw optionError('invalid_option', of, { option: 'connect', what: 'must be true or false.' })
  }
  if (local && connect === true) {
    throw optionError('invalid_option', of, {
      option: localOption,
      what: 'and `connect: true` exclude each other: make two integrations, each with its own id.',
    })
  }
  if (!local && connect !== true) {
    throw optionError('missing_option', of, {
      option: localOption,
      what: 'is missing. Give it, or `connect: true`.',
    })
  }
  return local ? 'LOCAL' : 'HOSTED'
}

/** An overridden endpoint, without slashes at its end. Which hosts are allowed is checked when the server starts. */
export function checkEndpoint(of: Complainant, option: string, value: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  const usable =
    url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash
  if (usable) return value.replace(/(?<!\/)\/+$/, '')
  throw optionError('invalid_option', of, {
    option: `endpoints.${option}`,
    what: 'must be an absolute http or https URL without user, query or fragment.',
  })
}

// Private keys of clients in the form that signing needs. Each is read once; the text stays with the integration.

import { createPrivateKey, type KeyObject } from 'node:crypto'
import type * as oauth from 'oauth4webapi'
import { AuthFlowError } from '../../shared/errors.ts'
import type { ClientKey } from '../integrations/integration.ts'

const imported = new WeakMap<ClientKey, Promise<oauth.PrivateKey>>()

/** The key, ready to sign. Throws `client_misconfigured` for text that is no private key of a known kind. */
export function importClientKey(key: ClientKey): Promise<oauth.PrivateKey> {
  const known = imported.get(key)
  if (known) return known
  const fresh = importKey(key)
  imported.set(key, fresh)
  return fresh
}

async function importKey({ pem, keyId }: ClientKey): Promise<oauth.PrivateKey> {
  try {
    const object = createPrivateKey(pem)
    const der = object.export({ format: 'der', type: 'pkcs8' })
    const key = await crypto.subtle.importKey('pkcs8', der, algorithmOf(object), false, ['sign'])
    return keyId === undefined ? { key } : { key, kid: keyId }
  } catch {
    // The platform's error may quote the text.
    throw new AuthFlowError('client_misconfigured', 'The private key of the client cannot be read.')
  }
}

const curves: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  if (asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  if (asymmetricKeyType === 'ed25519') return { name: 'Ed25519' }
  const namedCurve = curves[asymmetricKeyDetails?.namedCurve ?? '']
  if (asymmetricKeyType === 'ec' && namedCurve !== undefined) return { name: 'ECDSA', namedCurve }
  throw new TypeError('not a key for signing')
}

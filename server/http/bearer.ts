// Reads the token of a request.

import type { IncomingMessage } from 'node:http'

const bearerPattern = /^Bearer +([!-~]{1,256})$/i

/** The bearer of the `Authorization` header (RFC 6750 §2.1); undefined without one that is well-formed. */
export function bearerOf(req: IncomingMessage): string | undefined {
  return bearerPattern.exec(req.headers.authorization ?? '')?.[1]
}

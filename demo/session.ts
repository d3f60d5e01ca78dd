// Who is signed in to the demo product. A browser is given a random session on its first visit; its account follows
// from it. The connect token is minted for that account by the backend: the page never says who it is.

import { createHash, randomBytes } from 'node:crypto'
import type { Context } from 'koa'

const cookieName = 'demo_session'
const sessionPattern = /^[A-Za-z0-9_-]{32}$/

/** The account of the browser that sent the request; gives it a session when it has none. */
export function accountOf(context: Context): string {
  const known = context.cookies.get(cookieName)
  if (known && sessionPattern.test(known)) return accountFrom(known)
  return startSession(context)
}

/** Signs the browser in as a new account. */
export function startSession(context: Context): string {
  const session = randomBytes(24).toString('base64url')
  context.cookies.set(cookieName, session, {
    httpOnly: true,
    sameSite: 'lax',
    maxAge: 30 * 24 * 3_600_000,
    overwrite: true,
  })
  return accountFrom(session)
}

const accountFrom = (session: string): string =>
  `customer-${createHash('sha256').update(session).digest('hex').slice(0, 8)}`

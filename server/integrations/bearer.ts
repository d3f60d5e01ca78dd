// The headers that most APIs take credentials in.

/** `Authorization: Bearer` with the token (RFC 6750 section 2.1). */
export const bearer = (token: string): { readonly authorization: string } => ({
  authorization: `Bearer ${token}`,
})

/** `Authorization: Basic` with user name and password as they are (RFC 7617). */
export const basic = (username: string, password: string): { readonly authorization: string } => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
})

// Scopes as they were asked for, where a provider writes granted ones in another way.

/**
 * A `normaliseTokenResponse` that changes the scopes of an answer and nothing else. An answer without scopes, and one
 * that is no JSON, stays as it is.
 */
export function rewritingScopes(
  rewrite: (scopes: readonly string[], answer: Readonly<Record<string, unknown>>) => readonly string[],
): (response: Response) => Promise<Response> {
  return async (response) => {
    const answer = await readObject(response.clone())
    const scope = answer?.['scope']
    if (!answer || typeof scope !== 'string') return response
    const scopes = rewrite(scope.split(' ').filter(Boolean), answer)
    const { status, headers } = response
    const kept = new Headers(headers)
    kept.set('content-type', 'application/json')
    return new Response(JSON.stringify({ ...answer, scope: scopes.join(' ') }), { status, headers: kept })
  }
}

async function readObject(response: Response): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const value: unknown = await response.json()
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

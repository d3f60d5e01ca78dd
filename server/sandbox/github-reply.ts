// Answers in GitHub's own words.

import { json, type Reply } from './http.ts'

/** An error as GitHub words it. */
export const githubMessage = (status: number, text: string, more: Record<string, unknown> = {}): Reply =>
  json(
    { message: text, documentation_url: 'https://docs.github.com/rest', status: String(status), ...more },
    status,
  )

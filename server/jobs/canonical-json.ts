// JSON text that is the same for equal values: members in the order of their names.

import type { Json } from './job.ts'

/** JSON with the members of every object sorted. */
export function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(
          Object.entries(member).sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0)),
        )
      : member,
  )
}

// Words docs/errors.md from the error table. `npm run docs:errors` writes the page; a test holds the two equal.

import { errorTable, type ErrorCode } from '../shared/errors.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './source-files.ts'

/** Where the page lies, relative to the repository. */
export const errorsPagePath = 'docs/errors.md'

const intro = `# Errors

Everything that authflow throws on purpose is an \`AuthFlowError\` with one of the codes below. Branch on \`code\`: codes
are stable and never used again for something else, texts may change. \`retryable\` says whether the same call may succeed
later without any change by the caller. Details name the field, option, integration or account, and never hold a secret.

Over HTTP the code stands in \`data.authflow\` of a tRPC error and in the body of the plain routes. A code marked
_hidden_ leaves the process as \`internal\`; the server's log has it.

This page is written by \`npm run docs:errors\` from the table in \`shared/errors.ts\`.
`

interface Section {
  readonly title: string
  readonly codes: readonly ErrorCode[]
}

/** The table's sections: a comment line in the source begins one, and codes are in the order of the source. */
export function readSections(source: string): Section[] {
  const table = source.slice(source.indexOf('export const errorTable'), source.indexOf('as const satisfies'))
  const sections: { title: string; codes: ErrorCode[] }[] = []
  for (const line of table.split('\n')) {
    const title = /^ {2}\/\/ (.+)$/.exec(line)?.[1]
    const code = /^ {2}(\w+):/.exec(line)?.[1]
    if (title) sections.push({ title, codes: [] })
    else if (code && isCode(code)) sections.at(-1)?.codes.push(code)
  }
  return sections
}

const isCode = (text: string): text is ErrorCode => Object.hasOwn(errorTable, text)

/** The whole page. */
export function errorsPage(): string {
  const sections = readSections(readFileSync(join(root, 'shared/error-table.ts'), 'utf8'))
  const listed = new Set(sections.flatMap(({ codes }) => codes))
  const missing = Object.keys(errorTable).filter((code) => isCode(code) && !listed.has(code))
  if (missing.length > 0) throw new Error(`shared/errors.ts: no section holds ${missing.join(', ')}`)
  return [intro, ...sections.map(wordSection)].join('\n')
}

function wordSection({ title, codes }: Section): string {
  const rows = codes.map((code) => {
    const { status, retryable, exposed, help } = errorTable[code]
    const marks = [retryable && 'retryable', !exposed && 'hidden'].filter(Boolean).join(', ')
    return `| <a id="${code}"></a>\`${code}\` | ${status} | ${marks} | ${help.replaceAll('|', '\\|')} |`
  })
  return [
    `## ${title}`,
    '',
    '| code | status | note | what to do |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

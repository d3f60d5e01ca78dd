// Takes the examples out of README.md, so that tests can run exactly what people read.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './source-files.ts'

/** One fenced block. */
export interface ReadmeBlock {
  /** `ts`, `html`, `sh`, … */
  readonly language: string
  /** File name after the language: `server.ts` of a block that begins with "```ts server.ts". */
  readonly name: string | undefined
  readonly text: string
  /** Line of the opening fence, from 1. */
  readonly line: number
}

/** Fenced blocks in their order. */
export function readBlocks(markdown: string): ReadmeBlock[] {
  const blocks: ReadmeBlock[] = []
  let open: { language: string; name: string | undefined; line: number; lines: string[] } | undefined
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^```(\w*)(?: +(\S+))?\s*$/.exec(line)
    if (open && line.trimEnd() === '```') {
      const { lines, ...rest } = open
      blocks.push({ ...rest, text: [...lines, ''].join('\n') })
      open = undefined
    } else if (open) open.lines.push(line)
    else if (fence) open = { language: fence[1] ?? '', name: fence[2], line: index + 1, lines: [] }
  }
  if (open) throw new Error(`The block of line ${open.line} is not closed`)
  return blocks
}

/** The blocks of README.md. */
export const readmeBlocks = (): ReadmeBlock[] => readBlocks(readFileSync(join(root, 'README.md'), 'utf8'))

/** Sources of the module scripts in a piece of HTML. */
export function moduleScripts(html: string): string[] {
  const scripts = html.matchAll(/<script type="module">([\s\S]*?)<\/script>/g)
  return [...scripts].map(([, source]) => source ?? '')
}

/**
 * TypeScript files that the README shows, by name: its `ts` blocks, and the module scripts of its `html` blocks. Blocks of
 * one name are parts of one file.
 *
 * @throws {@link Error} for a `ts` block without a name
 */
export function readmeModules(blocks: readonly ReadmeBlock[] = readmeBlocks()): Map<string, string> {
  const files = new Map<string, string>()
  for (const { language, name, text, line } of blocks) {
    if (language === 'ts') {
      if (!name) throw new Error(`README.md:${line} Name the file: \`\`\`ts server.ts`)
      files.set(name, (files.get(name) ?? '') + text)
    }
    if (language === 'html') {
      for (const [index, source] of moduleScripts(text).entries())
        files.set(`page-${line}-${index}.ts`, source)
    }
  }
  return files
}

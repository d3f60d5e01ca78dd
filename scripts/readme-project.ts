// A project made of the README's TypeScript, in which `authflow` is this repository's source.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { runCommand } from './command.ts'
import { publicEntries } from './public-entries.ts'
import { readmeModules } from './readme-blocks.ts'
import { root } from './source-files.ts'

/** Files that the README says are the reader's own. */
export const readersFiles: Readonly<Record<string, string>> = {
  'session.ts': `import type { IncomingMessage } from 'node:http'
/** The account of the session. */
export const accountOf = (req: IncomingMessage): string => String(req.headers['x-account'] ?? 'account-1')
`,
}

/** The project's folder and how to use it. */
export interface ReadmeProject {
  readonly directory: string
  /** Path of its TypeScript configuration. */
  readonly config: string
  /** Errors of the type checker in the README's own files. */
  typeCheck(): Promise<string[]>
  remove(): void
}

/**
 * Writes the project below test-results/, where it finds the repository's packages.
 *
 * @param edit changes a file by name and source, for what a test can't do as the README says it, such as a fixed port
 */
export function createReadmeProject(
  edit: (name: string, source: string) => string = (_, source) => source,
): ReadmeProject {
  const results = join(root, 'test-results')
  mkdirSync(results, { recursive: true })
  const directory = mkdtempSync(join(results, 'readme-'))
  const files = { ...Object.fromEntries(readmeModules()), ...readersFiles }
  for (const [name, source] of Object.entries(files)) writeFileSync(join(directory, name), edit(name, source))
  const fromHere = (path: string): string => relative(directory, join(root, path))
  const paths = Object.fromEntries(
    publicEntries().map(({ specifier, source }) => [specifier, [fromHere(source)]]),
  )
  const config = join(directory, 'tsconfig.json')
  const compilerOptions = { paths, rootDir: fromHere('.'), noPropertyAccessFromIndexSignature: false }
  writeFileSync(
    config,
    JSON.stringify({ extends: fromHere('tsconfig.json'), compilerOptions, include: ['*.ts'] }),
  )
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))
  return {
    directory,
    config,
    typeCheck: async () => {
      const args = ['node_modules/typescript/bin/tsc', '-p', config, '--pretty', 'false']
      const { output } = await runCommand(process.execPath, args)
      const own = `${relative(root, directory)}/`
      return output.split('\n').filter((line) => line.startsWith(own) || line.startsWith('error '))
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

// The entry points of the package as source files, read from `exports` of package.json.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isTestFile, listFiles, root } from './source-files.ts'

/** One entry point that users can import. */
export interface PublicEntry {
  /** As users write it: `authflow`, `authflow/ui`. */
  readonly specifier: string
  /** Source file, relative to the repository. */
  readonly source: string
}

/** The manifest of the package, as far as scripts read it. */
export interface Manifest {
  readonly name: string
  readonly version: string
  /** Executable to its file. */
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<
    Record<string, string | null | { readonly types: string; readonly default?: string }>
  >
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

/** Reads package.json. */
export const readManifest = (): Manifest => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Entry points in the order of the manifest; a pattern stands for each file that it matches, tests left out. */
export function publicEntries(manifest: Manifest = readManifest()): PublicEntry[] {
  const entries: PublicEntry[] = []
  const closed = new Set(Object.keys(manifest.exports).filter((key) => manifest.exports[key] === null))
  for (const [key, target] of Object.entries(manifest.exports)) {
    // Data and declarations have no module.
    if (target === null || typeof target === 'string' || target.default === undefined) continue
    const source = target.types.replace(/^\.\/dist\/(.*)\.d\.ts$/, '$1.ts')
    for (const { name, path } of expand(source)) {
      const subpath = key.replace('*', name)
      if (closed.has(subpath)) continue
      entries.push({ specifier: subpath.replace(/^\./, manifest.name), source: path })
    }
  }
  return entries
}

function expand(source: string): { name: string; path: string }[] {
  if (!source.includes('*')) return [{ name: '', path: source }]
  const [before = '', after = ''] = source.split('*')
  return listFiles([before.replace(/\/$/, '')], [after])
    .filter((path) => !isTestFile(path))
    .map((path) => ({ name: path.slice(before.length, -after.length), path }))
    .filter(({ name }) => !name.includes('/'))
}

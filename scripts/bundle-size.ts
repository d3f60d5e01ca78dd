// What the browser part weighs, gzipped: entries bundled and minified from the sources, and the files that are built for
// browsers to load as they are.

import { build } from 'esbuild'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { buildCdn } from './cdn.ts'
import { root } from './source-files.ts'

/** What may weigh so much and no more. */
export interface Limit {
  readonly name: string
  /** Most it may weigh, in bytes after gzip. */
  readonly limit: number
}

/** One way of using the elements. */
export interface Bundle extends Limit {
  /** The module that a page would write. */
  readonly source: string
  /** Left out of the bundle. */
  readonly external: readonly string[]
}

/** A bundle's weight. */
export interface BundleSize {
  /** Bytes as they are. */
  readonly minified: number
  /** Bytes after gzip at its best. */
  readonly gzip: number
}

const kB = 1000

const elements = `import './ui/define.ts'; export { configureAuthFlow, registerMessages } from './ui/index.ts'`

/** The bundles that have a limit. */
export const bundles: readonly Bundle[] = [
  {
    name: 'first load (flow, trigger, popup, client, Lit)',
    source: `import './ui/define/auth-flow.ts'
      import './ui/define/auth-trigger.ts'
      export { configureAuthFlow } from './ui/index.ts'`,
    external: [],
    limit: 13.6 * kB,
  },
  {
    name: 'everything (all elements)',
    source: elements,
    external: [],
    limit: 18.5 * kB,
  },
  {
    name: 'own code (Lit and tRPC left out)',
    source: elements,
    external: ['lit', 'lit/*', '@lit/*', '@trpc/*'],
    // Held where it is: see «Our own browser code» in docs/decisions.md.
    limit: 12.95 * kB,
  },
  {
    name: 'React wrapper',
    source: `export * from './ui/react/index.ts'`,
    external: ['react', '../define.ts', '../flow/*'],
    limit: 1.5 * kB,
  },
  ...['ar', 'de', 'es', 'fr', 'ja', 'pt'].map((language) => ({
    name: `texts in ${language}`,
    source: `import './ui/locales/${language}.ts'`,
    external: ['../elements/auth-element.ts'],
    limit: kB,
  })),
]

/** Files of {@link buildCdn} and their limits: what browsers load, with the licences of what is inside. */
const builtFiles = [
  { name: 'file for a script tag', file: 'authflow.js', limit: 18.8 * kB },
  { name: 'script of the hosted page, in every language', file: 'connect-page.js', limit: 23 * kB },
]

/** Builds the files that browsers load as they are, and weighs them. */
export async function measureBuiltFiles(): Promise<readonly (Limit & BundleSize)[]> {
  const folder = await mkdtemp(join(tmpdir(), 'authflow-size-'))
  try {
    await buildCdn(folder)
    return await Promise.all(
      builtFiles.map(async ({ name, file, limit }) => ({
        name,
        limit,
        ...sizeOf(await readFile(join(folder, file))),
      })),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const sizeOf = (content: Uint8Array): BundleSize => ({
  minified: content.length,
  gzip: gzipSync(content, { level: 9 }).length,
})

/** Bundles one entry in memory and weighs it, with what it imports later: sooner or later that is loaded, too. */
export async function measureBundle({
  source,
  external,
}: Pick<Bundle, 'source' | 'external'>): Promise<BundleSize> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    charset: 'utf8',
    external: [...external],
    write: false,
  })
  const [file] = outputFiles
  if (!file) throw new Error('The bundle is empty')
  return sizeOf(file.contents)
}

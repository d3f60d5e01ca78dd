// What the browser part weighs: bundled and minified by esbuild, gzipped, measured from the sources.

import { build } from 'esbuild'
import { gzipSync } from 'node:zlib'
import { root } from './source-files.ts'

/** One way of using the elements. */
export interface Bundle {
  readonly name: string
  /** The module that a page would write. */
  readonly source: string
  /** Left out of the bundle. */
  readonly external: readonly string[]
  /** Most it may weigh, in bytes after gzip. */
  readonly limit: number
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
    limit: 13 * kB,
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
  return { minified: file.contents.length, gzip: gzipSync(file.contents, { level: 9 }).length }
}

// What the browser part weighs: bundled and minified by esbuild, gzipped, measured from the sources.

import { build, type Metafile } from 'esbuild'
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

/** A bundle's weight: what is loaded at once, without chunks that are imported later. */
export interface BundleSize {
  readonly minified: number
  readonly gzip: number
}

const kB = 1000

/** The three bundles that have a limit. */
export const bundles: readonly Bundle[] = [
  {
    name: 'first load (flow, trigger, panel, client, Lit)',
    source: `import './ui/define/auth-flow.ts'
      import './ui/define/auth-trigger.ts'
      import './ui/define/auth-panel.ts'
      export { configureAuthFlow } from './ui/index.ts'`,
    external: [],
    limit: 14 * kB,
  },
  {
    name: 'everything',
    source: `import './ui/define.ts'; export * from './ui/index.ts'`,
    external: [],
    limit: 18.5 * kB,
  },
  {
    name: 'own code (Lit and tRPC left out)',
    source: `import './ui/define.ts'; export * from './ui/index.ts'`,
    external: ['lit', 'lit/*', '@lit/*', '@trpc/*'],
    limit: 6.5 * kB,
  },
]

/** Bundles one entry in memory and weighs it. */
export async function measureBundle({
  source,
  external,
}: Pick<Bundle, 'source' | 'external'>): Promise<BundleSize> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    external: [...external],
    outdir: 'size',
    absWorkingDir: root,
    metafile: true,
    write: false,
  })
  const loaded = loadedAtOnce(metafile)
  const files = outputFiles.filter(({ path }) => loaded.some((name) => path.endsWith(name)))
  const sum = (weigh: (contents: Uint8Array) => number): number =>
    files.reduce((total, { contents }) => total + weigh(contents), 0)
  return {
    minified: sum(({ length }) => length),
    gzip: sum((contents) => gzipSync(contents, { level: 9 }).length),
  }
}

/** The entry chunk and what it imports statically. */
function loadedAtOnce({ outputs }: Metafile): string[] {
  const loaded = new Set(Object.keys(outputs).filter((name) => outputs[name]?.entryPoint === '<stdin>'))
  for (const name of loaded) {
    for (const { path, kind, external } of outputs[name]?.imports ?? []) {
      if (kind === 'import-statement' && !external) loaded.add(path)
    }
  }
  return [...loaded]
}

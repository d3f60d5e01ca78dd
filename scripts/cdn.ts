// Bundles what browsers load without a bundler of their own: the file for a script tag, and the script of the server's
// connect page. Lit and tRPC are inside.

import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './source-files.ts'

/** Writes `authflow.js` and `connect-page.js` into the folder. */
export async function buildCdn(folder: string): Promise<void> {
  await build({
    entryPoints: { authflow: join(root, 'ui/cdn.ts'), 'connect-page': join(root, 'ui/connect-page.ts') },
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['production'],
    charset: 'utf8',
  })
}

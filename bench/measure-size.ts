// What the browser part weighs, against its limits.

import { bundles, measureBundle } from '../scripts/bundle-size.ts'
import { compare, type BenchResults } from './result.ts'

const names = ['ui_first_gzip', 'ui_all_gzip', 'ui_own_gzip']

/** Bytes after gzip. */
export async function measureSize(): Promise<BenchResults> {
  const results: BenchResults = {}
  for (const [index, name] of names.entries()) {
    const bundle = bundles[index]
    if (!bundle) throw new Error(`there is no bundle for ${name}`)
    const { gzip } = await measureBundle(bundle)
    const limit = { name: `limit of ${bundle.limit} bytes, ${bundle.name}`, values: [bundle.limit] }
    results[name] = compare('bytes', [gzip], limit)
  }
  return results
}

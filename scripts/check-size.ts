// Checks that the browser part stays within its limits: `tsx scripts/check-size.ts`.

import { bundles, measureBuiltFiles, measureBundle } from './bundle-size.ts'

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(2)} kB`

const weighed = [
  ...(await Promise.all(bundles.map(async (bundle) => ({ ...bundle, ...(await measureBundle(bundle)) })))),
  ...(await measureBuiltFiles()),
]
let over = 0
for (const { name, limit, minified, gzip } of weighed) {
  const fits = gzip <= limit
  if (!fits) over += 1
  console.log(`${fits ? 'ok  ' : 'FAIL'} ${name}: ${kB(gzip)} gzip of ${kB(limit)}, ${kB(minified)} minified`)
}
process.exitCode = over > 0 ? 1 : 0

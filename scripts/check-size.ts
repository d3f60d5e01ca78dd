// Checks that the browser part stays within its limits: `tsx scripts/check-size.ts`.

import { bundles, measureBundle } from './bundle-size.ts'

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(2)} kB`

let over = 0
for (const bundle of bundles) {
  const { minified, gzip } = await measureBundle(bundle)
  const fits = gzip <= bundle.limit
  if (!fits) over += 1
  console.log(
    `${fits ? 'ok  ' : 'FAIL'} ${bundle.name}: ${kB(gzip)} gzip of ${kB(bundle.limit)}, ${kB(minified)} minified`,
  )
}
process.exitCode = over > 0 ? 1 : 0

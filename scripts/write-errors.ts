// Writes docs/errors.md: `npm run docs:errors`.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorsPage, errorsPagePath } from './errors-page.ts'
import { root } from './source-files.ts'

writeFileSync(join(root, errorsPagePath), errorsPage())

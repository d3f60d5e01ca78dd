// Builds the package into dist/: `npm run build`. What an earlier build left is removed first.

import { chmodSync, cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildCdn } from './cdn.ts'
import { runCommand } from './command.ts'
import { root } from './source-files.ts'

rmSync(join(root, 'dist'), { recursive: true, force: true })
const { code } = await runCommand(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
  { show: true },
)
// The compiler keeps the line that names the interpreter; package managers mark the file on installation, this is for use
// from the repository.
if (code === 0) chmodSync(join(root, 'dist/server/cli/main.js'), 0o755)
// Types for frameworks and data for editors are made, not compiled.
cpSync(join(root, 'ui/types'), join(root, 'dist/ui/types'), { recursive: true })
await buildCdn(join(root, 'dist/cdn'))
process.exitCode = code

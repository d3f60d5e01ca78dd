// Makes everything in ui/types from the elements' doc comments: the custom-elements manifest, what editors read, and the
// types for frameworks. The analyser has a manifest of its own: `npm ci --prefix scripts/elements` first.
//
//   npm run elements              writes the files
//   npm run elements -- --check   fails when one of them would change

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command.ts'
import { frameworkTypes } from './framework-types.ts'
import { root } from './source-files.ts'

const folder = join(root, 'ui/types')
const analyser = join(root, 'scripts/elements/node_modules/@custom-elements-manifest/analyzer/cem.js')

const read = (): Map<string, string> =>
  new Map(
    existsSync(folder)
      ? readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')])
      : [],
  )

async function main(): Promise<number> {
  if (!existsSync(analyser)) {
    console.error('First: npm ci --prefix scripts/elements --ignore-scripts')
    return 1
  }
  const before = read()
  const { code, output } = await runCommand(process.execPath, [
    analyser,
    'analyze',
    '--config',
    'scripts/elements/config.mjs',
  ])
  if (code !== 0) {
    console.error(output)
    return 1
  }
  for (const [path, text] of frameworkTypes()) writeFileSync(join(root, path), text)
  const changed = [...read()].filter(([name, text]) => before.get(name) !== text).map(([name]) => name)
  console.log(changed.length > 0 ? `changed: ${changed.join(', ')}` : 'ui/types is up to date')
  return process.argv.includes('--check') && changed.length > 0 ? 1 : 0
}

process.exitCode = await main()

// Runs every check that is no test and prints a summary: `npm run check [-- NAME …]`. The package check builds first, and
// gets the options that are written as `--name=value`.

import { runCommand } from './command.ts'

interface Check {
  readonly name: string
  /** Script or binary with its arguments, run one after the other. */
  readonly steps: readonly (readonly [string, ...string[]])[]
}

const script = (name: string, ...args: string[]): readonly [string, ...string[]] => [
  process.execPath,
  '--import',
  'tsx',
  `scripts/${name}.ts`,
  ...args,
]
const bin = (path: string, ...args: string[]): readonly [string, ...string[]] => [
  process.execPath,
  `node_modules/${path}`,
  ...args,
]

const packageArguments = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))

const checks: readonly Check[] = [
  { name: 'imports', steps: [script('check-imports')] },
  { name: 'docs', steps: [script('check-docs')] },
  // Its hints differ with what was built or installed beside, so they are shown and do not fail.
  { name: 'unused', steps: [bin('knip/bin/knip.js', '--no-progress')] },
  { name: 'size', steps: [script('check-size')] },
  { name: 'package', steps: [script('build'), script('check-package', ...packageArguments)] },
]

let failed = 0
const summary: string[] = []
const chosen = checks.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
for (const { name, steps } of chosen) {
  const started = performance.now()
  let code = 0
  for (const [command, ...args] of steps) {
    console.log(`— ${name}`)
    code = (await runCommand(command, args, { show: true })).code
    if (code !== 0) break
  }
  if (code !== 0) failed += 1
  summary.push(
    `${code === 0 ? 'ok  ' : 'FAIL'} ${name}, ${((performance.now() - started) / 1000).toFixed(1)} s`,
  )
}
console.log(`\n${summary.join('\n')}`)
console.log(`check: ${chosen.length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 || chosen.length === 0 ? 1 : 0

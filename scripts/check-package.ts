// Checks the package as its users get it: publint on the tarball, the README's examples type-checked against it, every
// entry point imported and a server run in plain Node. Wants a build. `tsx scripts/check-package.ts [--typescript=DIR]… [--node=BIN]…`
// adds compilers (folders of typescript packages) and Node binaries to those of the repository.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { createConsumer, type Consumer } from './consumer.ts'
import { publicEntries, readManifest } from './public-entries.ts'
import { readmeModules } from './readme-blocks.ts'
import { readersFiles } from './readme-project.ts'
import { root } from './source-files.ts'

interface Outcome {
  readonly name: string
  /** Empty when all is well. */
  readonly problems: readonly string[]
}

const resolutions = [
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
]

/** The tarball has what package.json promises. */
async function lintTarball(consumer: Consumer): Promise<Outcome> {
  const bytes = readFileSync(consumer.tarball)
  const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true })
  return { name: 'publint', problems: messages.map((message) => formatMessage(message, pkg) ?? message.code) }
}

/** The README's examples compile against the tarball's types, which compile themselves. */
async function typeCheck(consumer: Consumer, typescript: string): Promise<Outcome[]> {
  const { version } = JSON.parse(readFileSync(join(typescript, 'package.json'), 'utf8'))
  const files = [...readmeModules().keys(), ...Object.keys(readersFiles), 'entries.ts']
  const outcomes: Outcome[] = []
  for (const resolution of resolutions) {
    const compilerOptions = {
      ...resolution,
      target: 'es2023',
      lib: ['es2023', 'dom', 'dom.iterable'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      allowImportingTsExtensions: true,
    }
    const config = `tsconfig.${resolution.moduleResolution}.json`
    consumer.write(config, JSON.stringify({ compilerOptions, files }))
    const { code, output } = await consumer.run(process.execPath, [
      join(typescript, 'bin/tsc'),
      '-p',
      config,
      '--pretty',
      'false',
    ])
    // Types of other packages are not ours to judge; theirs are reported by their real path, outside of the project.
    const problems = output
      .split('\n')
      .filter((line) => /^(?!\.\.)[^(]+\(\d+,\d+\): error|^error /.test(line))
    const broken = code > 2 && problems.length === 0 ? [output] : problems
    outcomes.push({ name: `TypeScript ${version}, ${resolution.moduleResolution}`, problems: broken })
  }
  return outcomes
}

/** Every entry point can be imported in plain Node, and gives something unless it only defines elements. */
async function importEntries(
  consumer: Consumer,
  node: string,
  specifiers: readonly string[],
): Promise<Outcome> {
  const lines = specifiers.map((specifier) => {
    const check = specifier.includes('/define')
      ? ''
      : `if (Object.keys(m).length === 0) throw new Error('exports nothing')`
    return `try { const m = await import('${specifier}'); ${check} } catch (error) { failed += 1; console.error('${specifier}:', error) }`
  })
  consumer.write('entries.mjs', ['let failed = 0', ...lines, 'process.exit(failed > 0 ? 1 : 0)'].join('\n'))
  const { output: version } = await consumer.run(node, ['--version'])
  const { code, output } = await consumer.run(node, ['entries.mjs'])
  return {
    name: `${specifiers.length} entry points on Node ${version.trim()}`,
    problems: code === 0 ? [] : [output],
  }
}

/** The package's server runs: the database driver depends on the version of Node. */
async function runServer(consumer: Consumer, node: string): Promise<Outcome> {
  for (const suffix of ['', '-wal', '-shm'])
    rmSync(join(consumer.directory, `check.db${suffix}`), { force: true })
  consumer.write('server.mjs', readFileSync(join(root, 'scripts/package-server.mjs'), 'utf8'))
  const { output: version } = await consumer.run(node, ['--version'])
  const { code, output } = await consumer.run(node, ['server.mjs'])
  return { name: `a server on Node ${version.trim()}`, problems: code === 0 ? [] : [output] }
}

/** The executable runs as npm links it, and finds what it needs: the commander, the version, the vault. */
async function runExecutable(consumer: Consumer, node: string): Promise<Outcome> {
  const executable = join('node_modules', '.bin', 'authflow')
  const { output: version } = await consumer.run(node, ['--version'])
  const problems: string[] = []
  const expected: readonly (readonly [args: readonly string[], output: RegExp])[] = [
    [['--version'], new RegExp(`^${readManifest().version.replaceAll('.', '\\.')}\\n$`)],
    [['keys', 'generate'], /^[\w-]+:[A-Za-z0-9+/]{43}=\n/],
  ]
  for (const [args, pattern] of expected) {
    const { code, output } = await consumer.run(node, [executable, ...args])
    if (code !== 0 || !pattern.test(output)) problems.push(`authflow ${args.join(' ')}: ${code}\n${output}`)
  }
  return { name: `npx authflow on Node ${version.trim()}`, problems }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { typescript: { type: 'string', multiple: true }, node: { type: 'string', multiple: true } },
  })
  const consumer = await createConsumer(['@types/node', 'express', '@types/express'])
  try {
    const examples = [...readmeModules(), ...Object.entries(readersFiles)]
    for (const [name, source] of examples) consumer.write(name, source)
    const specifiers = publicEntries().map(({ specifier }) => specifier)
    // What needs a framework or a browser is tried in demo/frameworks and in the browser's tests.
    const alone = specifiers.filter((specifier) => !/\/(react|vue|cdn)$/.test(specifier))
    const imports = alone.map((specifier, index) => `export type * as e${index} from '${specifier}'`)
    consumer.write('entries.ts', imports.filter((line) => !line.includes('/define')).join('\n'))
    const outcomes = [await lintTarball(consumer)]
    for (const typescript of [join(root, 'node_modules/typescript'), ...(values.typescript ?? [])]) {
      outcomes.push(...(await typeCheck(consumer, typescript)))
    }
    for (const node of [process.execPath, ...(values.node ?? [])]) {
      outcomes.push(await importEntries(consumer, node, alone), await runServer(consumer, node))
      outcomes.push(await runExecutable(consumer, node))
    }
    for (const { name, problems } of outcomes) {
      console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name}`)
      for (const problem of problems) console.error(`     ${problem}`)
    }
    const failed = outcomes.filter(({ problems }) => problems.length > 0).length
    console.log(`package ${readManifest().name}: ${outcomes.length - failed} passed, ${failed} failed`)
    return failed === 0 ? 0 : 1
  } finally {
    consumer.remove()
  }
}

process.exitCode = await main()

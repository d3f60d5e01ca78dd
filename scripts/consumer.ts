// A throwaway project that has the packed tarball installed as its users would have it: only what package.json declares
// can be found from it.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runCommand, type CommandResult } from './command.ts'
import { readManifest } from './public-entries.ts'
import { root } from './source-files.ts'

/** A project beside the repository. Remove it when done. */
export interface Consumer {
  readonly directory: string
  /** Path of the tarball it was made from. */
  readonly tarball: string
  /** Writes a file of the project. */
  write(path: string, text: string): void
  /** Runs a command in the project. */
  run(command: string, args: readonly string[]): Promise<CommandResult>
  remove(): void
}

/**
 * Packs dist/ as it is and unpacks the tarball into a new project. Dependencies, optional ones and peers are linked from
 * the repository, so that nothing is downloaded.
 *
 * @param own packages that the project has of itself
 */
export async function createConsumer(own: readonly string[]): Promise<Consumer> {
  const directory = mkdtempSync(join(tmpdir(), 'authflow-consumer-'))
  const manifest = readManifest()
  const packed = await runCommand('npm', [
    'pack',
    '--ignore-scripts',
    '--silent',
    '--pack-destination',
    directory,
  ])
  const name = readdirSync(directory).find((file) => file.endsWith('.tgz'))
  if (packed.code !== 0 || !name) throw new Error(`npm pack failed:\n${packed.output}`)
  const tarball = join(directory, name)
  const modules = join(directory, 'node_modules')
  const target = join(modules, manifest.name)
  mkdirSync(target, { recursive: true })
  const unpacked = await runCommand('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
  if (unpacked.code !== 0) throw new Error(`tar failed:\n${unpacked.output}`)
  const declared = {
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.peerDependencies,
  }
  mkdirSync(join(modules, '.bin'))
  for (const [command, file] of Object.entries(manifest.bin))
    symlinkSync(join(target, file), join(modules, '.bin', command))
  for (const dependency of [...Object.keys(declared), ...own]) link(modules, dependency)
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  return {
    directory,
    tarball,
    write,
    run: (command, args) => runCommand(command, args, { cwd: directory }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

function link(modules: string, name: string): void {
  const from = join(root, 'node_modules', name)
  if (!existsSync(from)) return
  mkdirSync(dirname(join(modules, name)), { recursive: true })
  symlinkSync(from, join(modules, name), 'dir')
}

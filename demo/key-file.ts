// The demo's encryption key: made once, kept beside the database, readable by its owner alone. A product would take
// it from its secret manager instead.

import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AuthFlowError } from '../shared/errors.ts'
import { isNodeError } from './node-error.ts'

const keyRing = /^\w+:[\w+/-]+={0,2}(,\w+:[\w+/-]+={0,2})*$/

/**
 * The key ring's text, and whether the file was made just now. Two processes at once never end up with two keys.
 *
 * @throws {@link AuthFlowError} `invalid_encryption_key`, naming a file that holds something else; `invalid_option`,
 *   naming a folder that can't be made
 */
export async function readOrCreateKeyFile(path: string): Promise<{ keys: string; created: boolean }> {
  await makeFolder(dirname(path))
  try {
    const file = await open(path, 'wx', 0o600)
    const keys = `demo1:${randomBytes(32).toString('base64')}`
    await file.writeFile(`${keys}\n`)
    await file.sync()
    await file.close()
    return { keys, created: true }
  } catch (error) {
    if (!isNodeError(error, 'EEXIST')) throw error
  }
  await chmod(path, 0o600)
  const keys = (await readFile(path, 'utf8')).trim()
  if (keyRing.test(keys)) return { keys, created: false }
  throw new AuthFlowError(
    'invalid_encryption_key',
    `${path} does not hold an encryption key. Put the right one back, or delete the folder to begin anew.`,
  )
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    const why = error instanceof Error ? error.message : ''
    throw new AuthFlowError(
      'invalid_option',
      `--data ${path} is not a folder and can't become one: ${why}.`,
      {
        details: { option: '--data' },
        cause: error,
      },
    )
  }
}

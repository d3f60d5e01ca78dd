// The demo's encryption key: made once, kept beside the database, readable by its owner alone. A product would take
// it from its secret manager instead.

import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isNodeError } from './node-error.ts'

/** The key ring's text, and whether the file was made just now. Two processes at once end up with one key. */
export async function readOrCreateKeyFile(path: string): Promise<{ keys: string; created: boolean }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
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
  return { keys: (await readFile(path, 'utf8')).trim(), created: false }
}

// Sealing and opening 1 KB on one core, each value of a record of its own, so that no derived key is found in a cache;
// and node:crypto's AES-256-GCM alone, with one key and nothing bound.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { createVault } from '../../server/vault/create-vault.ts'
import { parseKeyRing } from '../../server/vault/key-ring.ts'

const seconds = Number(process.argv[2])
const values = 10_000 // more than the vault keeps keys for
const text = randomBytes(768).toString('base64')

const vault = createVault({
  keys: parseKeyRing(`k1:${randomBytes(32).toString('base64')}`),
  environment: 'bench',
})
const place = (index: number) => ({
  recordType: 'credential' as const,
  recordId: `record-${index}`,
  integration: 'bench',
  accountId: `account-${index}`,
  field: 'secret',
})
const sealed = Array.from({ length: values }, (_, index) => vault.seal(text, place(index)))

const key = randomBytes(32)
function encrypt(): Buffer {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}
const plain = Array.from({ length: values }, encrypt)
function decrypt(value: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', key, value.subarray(0, 12), { authTagLength: 16 })
  decipher.setAuthTag(value.subarray(-16))
  return Buffer.concat([decipher.update(value.subarray(12, -16)), decipher.final()]).toString()
}

/** Calls a second, over the values in turn. */
function measure(call: (index: number) => unknown): number {
  const started = performance.now()
  let count = 0
  do {
    for (let step = 0; step < 100; step += 1) call(count++ % values)
  } while (performance.now() - started < seconds * 1000)
  return (count * 1000) / (performance.now() - started)
}

const at = <T>(list: readonly T[], index: number): T => {
  const item = list[index]
  if (item === undefined) throw new RangeError(`no value ${index}`)
  return item
}
if (vault.open(at(sealed, 0), place(0)) !== text || decrypt(at(plain, 0)) !== text)
  throw new Error('not the same text')
const results = {
  open: measure((index) => vault.open(at(sealed, index), place(index))),
  decrypt: measure((index) => decrypt(at(plain, index))),
  seal: measure((index) => vault.seal(text, place(index))),
  encrypt: measure(encrypt),
}
console.log(JSON.stringify(results))

// Sealing and opening 1 KB against node:crypto's AES-256-GCM alone.

import { z } from 'zod'
import type { Effort } from './measure.ts'
import { compare, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const rates = z.object({ open: z.number(), decrypt: z.number(), seal: z.number(), encrypt: z.number() })
const baseline = 'AES-256-GCM of node:crypto, one key, nothing bound'

/** Calls a second on one core. */
export async function measureVault({ rounds, loadMs }: Effort): Promise<BenchResults> {
  const samples: z.infer<typeof rates>[] = []
  for (let round = 0; round < rounds; round += 1) {
    const subject = startSubject('vault', [String(loadMs / 4000)])
    try {
      samples.push(rates.parse(await subject.next()))
    } finally {
      await subject.stop()
    }
  }
  const all = (name: keyof z.infer<typeof rates>): number[] => samples.map((sample) => sample[name])
  return {
    decrypt_1kb: compare('calls/s', all('open'), { name: baseline, values: all('decrypt') }),
    encrypt_1kb: compare('calls/s', all('seal'), { name: baseline, values: all('encrypt') }),
  }
}

// Refusing 10,000 connect tokens a second that nobody minted: the share of one core that judging them takes.

import { z } from 'zod'
import type { Effort } from './measure.ts'
import { compare, type BenchResults } from './result.ts'
import { startSubject } from './subject.ts'

const shares = z.object({ lookedUp: z.number(), closed: z.number() })

/** Percent of one core, without the HTTP around it. */
export async function measureTokens({ rounds }: Effort): Promise<BenchResults> {
  const samples: z.infer<typeof shares>[] = []
  for (let round = 0; round < rounds; round += 1) {
    const subject = startSubject('bad-tokens')
    try {
      samples.push(shares.parse(await subject.next()))
    } finally {
      await subject.stop()
    }
  }
  const limit = { name: 'limit of 5 % for 10,000 a second', values: samples.map(() => 5) }
  return {
    bad_tokens_looked_up: compare(
      '% of a core',
      samples.map((sample) => sample.lookedUp),
      limit,
    ),
    bad_tokens_closed_address: compare(
      '% of a core',
      samples.map((sample) => sample.closed),
      limit,
    ),
  }
}

// What a Redis promises of what it acknowledges, for the names of baselines.

import { Redis } from 'ioredis'
import { z } from 'zod'

/** As in `Redis, appendfsync everysec` or `Redis, in memory only`. */
export async function redisDurability(url: string): Promise<string> {
  const redis = new Redis(url)
  try {
    const setting = async (name: string): Promise<string> => {
      const [, value] = z.tuple([z.string(), z.string()]).parse(await redis.config('GET', name))
      return value
    }
    const isKept = (await setting('appendonly')) === 'yes'
    return `Redis, ${isKept ? `appendfsync ${await setting('appendfsync')}` : 'in memory only'}`
  } finally {
    redis.disconnect()
  }
}

// Loads an HTTP server at a fixed rate, whether it keeps up or not. The time of a request counts from when it was due,
// so that a server that stops for a moment does not hide it by being asked less.

import { Agent, request as send } from 'node:http'
import type { LoadRequest } from './http-load.ts'

/** How to send it. */
export interface SteadyOptions {
  readonly perSecond: number
  readonly milliseconds: number
}

/** Times of all requests in ms, and how many were answered by anything but 200. */
export interface SteadyResult {
  readonly times: readonly number[]
  readonly failures: number
}

/** Sends at the rate given; resolves when the last answer is there. */
export async function steadyLoad(
  request: LoadRequest,
  { perSecond, milliseconds }: SteadyOptions,
): Promise<SteadyResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const count = Math.floor((perSecond * milliseconds) / 1000)
  const started = performance.now()
  const times: number[] = []
  let failures = 0
  const one = async (at: number): Promise<void> => {
    const due = started + (at * 1000) / perSecond
    const body = request.bodies[at % request.bodies.length] ?? ''
    const status = await post(agent, request, body).catch(() => 0)
    if (status !== 200) failures += 1
    times.push(performance.now() - due)
  }
  const open: Promise<void>[] = []
  while (open.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - started) * perSecond) / 1000) + 1)
    while (open.length < due) open.push(one(open.length))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(open)
  agent.destroy()
  return { times, failures }
}

function post(agent: Agent, { url, headers }: LoadRequest, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const length = Buffer.byteLength(body)
    const all = { ...headers, 'content-type': 'application/json', 'content-length': length }
    const outgoing = send(url, { agent, method: 'POST', headers: all }, (answer) => {
      answer.on('end', () => resolve(answer.statusCode ?? 0))
      answer.on('error', reject)
      answer.resume()
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** The value that the given part of all values does not exceed. NaN for none. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}

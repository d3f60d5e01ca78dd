// Names of workers. A name says which process of which machine it is, so that another process of the same machine can
// tell at once that it is gone, without waiting for its lease to end.

import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { randomText } from '../../shared/ids.ts'

/** Stands for a machine that can't be told from others. */
const unknownMachine = '-'

/** A new name for a worker of this process; no two are the same. */
export function createWorkerName(): string {
  return [machine(), process.pid, startTicks(process.pid) ?? 0, randomText(12)].join('.')
}

/** True when the worker's process ran on this machine and is no more. False when that can't be told. */
export function isKnownDead(name: string): boolean {
  const [where, pidText, ticks] = name.split('.')
  const pid = Number(pidText)
  if (where === undefined || where === unknownMachine || where !== machine() || !Number.isInteger(pid))
    return false
  const now = startTicks(pid)
  return now === undefined || (ticks !== '0' && now !== ticks)
}

let known: string | undefined

/** This boot of this machine, as far as process ids mean the same: containers have their own. */
function machine(): string {
  if (known !== undefined) return known
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const namespace = readlinkSync('/proc/self/ns/pid')
    known = createHash('sha256').update(`${boot} ${namespace}`).digest('hex').slice(0, 16)
  } catch {
    known = unknownMachine
  }
  return known
}

/** When a process started, as the kernel counts; undefined when there is no such process. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold anything; the start is the 22nd.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

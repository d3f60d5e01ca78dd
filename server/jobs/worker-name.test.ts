import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { createWorkerName, isKnownDead } from './worker-name.ts'

const skip = existsSync('/proc/self/stat') ? false : 'needs /proc'

describe('isKnownDead', () => {
  it('is false for a live process, for other machines and for names of another shape', () => {
    const name = createWorkerName()
    assert.equal(isKnownDead(name), false)
    assert.equal(isKnownDead(name.replace(/^[^.]+/, '0000000000000000')), false)
    assert.equal(isKnownDead(name.replace(/^[^.]+/, '-')), false)
    assert.equal(isKnownDead('ghost'), false)
  })

  it('is true once the process has ended, also when its id is in use again', { skip }, async () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'])
    const [machine, , ticks, random] = createWorkerName().split('.')
    const pid = String(child.pid)
    // The id is in use, but by a process that started at another time than the worker's did.
    assert.equal(isKnownDead([machine, pid, ticks, random].join('.')), true)
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
    assert.equal(isKnownDead([machine, pid, '1', random].join('.')), true)
  })
})

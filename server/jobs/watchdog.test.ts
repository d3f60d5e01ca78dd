import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it } from 'node:test'

/** Runs the code with a watchdog of three short ticks; says how the process ended. */
function outcome(code: string): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const module = new URL('./watchdog.ts', import.meta.url).href
  const source = `import { startWatchdog } from ${JSON.stringify(module)}
    const dog = startWatchdog({ tickMs: 50, limit: 3 })
    dog.beat()
    const beats = setInterval(() => dog.beat(), 20)
    ${code}`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source], {
    stdio: 'ignore',
  })
  return new Promise((resolve) => child.once('exit', (exit, signal) => resolve({ code: exit, signal })))
}

describe('startWatchdog', () => {
  it('ends a process whose loop hangs', { timeout: 20_000 }, async () => {
    const ended = await outcome('setTimeout(() => { for (;;); }, 100)')
    assert.equal(ended.signal, 'SIGKILL')
  })

  it('leaves one alone whose loop is alive, and lets it end', { timeout: 20_000 }, async () => {
    const ended = await outcome('setTimeout(() => { clearInterval(beats); void dog.stop() }, 500)')
    assert.deepEqual(ended, { code: 0, signal: null })
  })
})

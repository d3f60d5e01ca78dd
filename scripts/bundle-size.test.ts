import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { measureBundle } from './bundle-size.ts'

describe('measureBundle', () => {
  it('weighs what is imported at once and later', async () => {
    const source = `import { AuthFlowError } from './shared/errors.ts'; console.log(AuthFlowError)`
    const whole = await measureBundle({ source, external: [] })
    const later = await measureBundle({
      source: `import('./shared/errors.ts').then(console.log)`,
      external: [],
    })
    assert.ok(whole.gzip > 1000 && whole.gzip < whole.minified)
    assert.ok(later.gzip > whole.gzip)
  })

  it('leaves external packages out', async () => {
    const source = `export { LitElement } from 'lit'`
    const { gzip } = await measureBundle({ source, external: ['lit'] })
    assert.ok(gzip < 100)
    assert.ok((await measureBundle({ source, external: [] })).gzip > 4000)
  })
})

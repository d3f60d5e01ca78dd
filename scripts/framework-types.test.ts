import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { frameworkTypes } from './framework-types.ts'
import { listFiles, root } from './source-files.ts'

describe('frameworkTypes', () => {
  const files = frameworkTypes()

  it('is what the repository has: npm run elements', () => {
    assert.equal(files.size, 5)
    for (const [path, text] of files) assert.equal(readFileSync(join(root, path), 'utf8'), text, path)
  })

  it('knows every element, attribute and event that is written down', () => {
    const events = readFileSync(join(root, 'ui/events.ts'), 'utf8').match(/^ {2}'auth-[\w-]+'/gm) ?? []
    assert.ok(events.length > 10)
    const defined = listFiles(['ui/define'], ['.ts']).map((path) => path.replace(/^.*\/|\.ts$/g, ''))
    for (const [path, text] of files) {
      for (const tag of defined) assert.ok(text.includes(`'${tag}':`), `${path} ${tag}`)
      for (const event of events)
        assert.ok(text.includes(`AuthFlowEvents[${event.trim()}]`), `${path} ${event}`)
      assert.doesNotMatch(text, /unknown|undefined'|any\b/)
    }
  })
})

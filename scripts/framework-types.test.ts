import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { frameworkTypes } from './framework-types.ts'
import { listFiles, root } from './source-files.ts'

describe('frameworkTypes', () => {
  const files = frameworkTypes()
  const defined = listFiles(['ui/define'], ['.ts']).map((path) => path.replace(/^.*\/|\.ts$/g, ''))

  it('is what the repository has: npm run elements', () => {
    assert.equal(files.size, 6)
    for (const [path, text] of files) assert.equal(readFileSync(join(root, path), 'utf8'), text, path)
  })

  it('knows every element, attribute and event that is written down', () => {
    const events = readFileSync(join(root, 'ui/events.ts'), 'utf8').match(/^ {2}'auth-[\w-]+'/gm) ?? []
    assert.ok(events.length > 10)
    for (const [path, text] of files) {
      assert.doesNotMatch(text, /unknown|undefined'|any\b/)
      // Angular has no names of events: it listens to the element, whose `addEventListener` knows them.
      if (path.endsWith('angular.ts')) continue
      for (const tag of defined) assert.ok(text.includes(`'${tag}':`), `${path} ${tag}`)
      for (const event of events)
        assert.ok(text.includes(`AuthFlowEvents[${event.trim()}]`), `${path} ${event}`)
    }
  })

  it('makes directives for Angular, which the app in demo/frameworks has a copy of', () => {
    const text = files.get('ui/types/angular.ts') ?? ''
    for (const tag of defined) assert.ok(text.includes(`@Directive({ selector: '${tag}'`), tag)
    assert.match(text, /@Input\('token-url'\) set tokenUrl\(value: string \| null \| undefined\)/)
    assert.doesNotMatch(text, /Output|EventEmitter/)
    assert.equal(readFileSync(join(root, 'demo/frameworks/angular/src/auth-elements.ts'), 'utf8'), text)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errorText, languages, methodLabels, scopeTexts } from './field-texts.ts'

const reference = languages['de']

describe('the texts of the built-in integrations', () => {
  for (const [language, texts] of Object.entries(languages)) {
    it(`${language} says of each field, method, scope and mistake what German says, in its own words`, () => {
      assert.ok(reference)
      for (const [name, field] of Object.entries(reference.fields)) {
        const own = new Map(Object.entries(texts.fields)).get(name)
        assert.deepEqual(Object.keys(own ?? {}).sort(), Object.keys(field).sort(), name)
        for (const [member, text] of Object.entries(own ?? {})) assert.match(String(text), /\S/, member)
      }
      for (const [name, label] of Object.entries(reference.labels)) {
        const own = new Map(Object.entries(texts.labels)).get(name)
        assert.equal(own?.includes('{name}'), label.includes('{name}'), name)
      }
      assert.deepEqual(Object.keys(texts.scopes), Object.keys(reference.scopes))
      for (const [english, text] of Object.entries(texts.scopes)) assert.match(text, /\S/, english)
      for (const [reason, text] of Object.entries(reference.errors)) {
        const own = new Map(Object.entries(texts.errors)).get(reason)
        assert.equal(own?.includes('{title}'), text.includes('{title}'), reason)
      }
    })
  }

  it('put names in as they are', () => {
    assert.equal(methodLabels('signIn', '$& Co')['de'], 'Mit $& Co anmelden')
    assert.equal(errorText('de-at', 'required', '$1'), '$1 fehlt.')
    assert.equal(errorText('__proto__', 'required', 'x'), undefined)
  })

  it('word the scopes whose English is known, and leave others out', () => {
    const words = scopeTexts({ read: 'See everything', own: 'Paint the town', odd: 'constructor' })
    assert.deepEqual(Object.keys(words).sort(), Object.keys(languages).sort())
    assert.deepEqual(words['de'], { read: 'Alles sehen' })
  })
})

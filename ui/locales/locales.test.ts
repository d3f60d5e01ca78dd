import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Messages } from '../messages.ts'
import { ar } from './ar.ts'
import { de } from './de.ts'
import { en } from './en.ts'
import { es } from './es.ts'
import { fr } from './fr.ts'
import { ja } from './ja.ts'
import { pt } from './pt.ts'

const placeholders = (text: unknown): string[] =>
  [...String(text).matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name).sort()

const languages: Record<string, Messages> = { ar, de, es, fr, ja, pt }

describe('the locales', () => {
  for (const [language, messages] of Object.entries(languages)) {
    it(`${language} says everything that English does, with the same placeholders`, () => {
      for (const [key, text] of Object.entries(en)) {
        const translated = Object.entries(messages).find(([name]) => name === key)?.[1]
        assert.ok(translated, key)
        assert.deepEqual(placeholders(translated), placeholders(text), key)
        // «in» is the same word in some.
        if (key !== 'in') assert.notEqual(translated, text, key)
      }
    })

    it(`${language} has texts for the same errors as the others`, () => {
      assert.deepEqual(Object.keys(messages.errors ?? {}), Object.keys(de.errors ?? {}))
      assert.deepEqual(Object.keys(messages.fieldErrors ?? {}), Object.keys(de.fieldErrors ?? {}))
      assert.ok(messages.error)
    })

    it(`${language} knows only the placeholders that are filled in`, () => {
      const texts = [messages, messages.errors ?? {}, messages.fieldErrors ?? {}].flatMap(Object.values)
      for (const text of texts.filter((one) => typeof one === 'string')) {
        assert.match(text, /\S/)
        for (const name of placeholders(text))
          assert.ok(['name', 'identity', 'place', 'title'].includes(name), text)
      }
    })
  }
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PageTexts } from './page-texts.ts'
import { texts as ar } from './texts/ar.ts'
import { texts as de } from './texts/de.ts'
import { texts as en } from './texts/en.ts'
import { texts as es } from './texts/es.ts'
import { texts as fr } from './texts/fr.ts'
import { texts as ja } from './texts/ja.ts'
import { texts as pt } from './texts/pt.ts'

const placeholders = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(String).sort()
const flat = ({ advice, ...texts }: PageTexts): [string, string][] => [
  ...Object.entries(texts),
  ...Object.entries(advice),
]

describe('the texts of the pages', () => {
  for (const [language, texts] of Object.entries({ ar, de, es, fr, ja, pt })) {
    it(`${language} has every text of English, in its own words, with the same placeholders`, () => {
      const own = new Map(flat(texts))
      assert.deepEqual(
        [...own.keys()].sort(),
        flat(en)
          .map(([key]) => key)
          .sort(),
      )
      for (const [key, english] of flat(en)) {
        const text = own.get(key) ?? ''
        assert.match(text, /\S/, key)
        assert.deepEqual(placeholders(text), placeholders(english), key)
        // «Code» is the same word in some.
        if (key !== 'code') assert.notEqual(text, english, key)
      }
    })
  }
})

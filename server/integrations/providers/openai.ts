// OpenAI: models, by the account's own key. Provider facts: platform.openai.com/docs/api-reference/authentication.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { bearer } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import { defineFields, type FieldMeta } from '../field-set.ts'
import { fieldTexts } from '../field-texts.ts'

const apiUrl = 'https://api.openai.com/v1'

const keyFields = z.object({
  apiKey: z
    .string()
    .max(255)
    .regex(/^sk-[\w-]{20,}$/)
    .meta({
      title: 'API key',
      locales: fieldTexts('openaiKey'),
      placeholder: 'sk-…',
      secret: true,
      normalise: ['trim'],
      patternMessage: 'A key begins with sk-.',
      autocomplete: 'off',
      helpUrl: 'https://platform.openai.com/api-keys',
    } satisfies FieldMeta),
})

/** OpenAI. Nobody says whose a key is, so the identity is the key: another key is another identity. */
export const openai = defineProvider({
  provider: 'openai',
  name: 'OpenAI',
  apiUrl,
  methods: {
    apiKey: {
      fields: defineFields(keyFields),
      verify: async ({ fields, request }) => {
        const key = fields['apiKey'] ?? ''
        await request(`${apiUrl}/models`, { headers: bearer(key) })
        const id = createHash('sha256').update(`openai key ${key}`).digest('base64url')
        return { identity: { id, label: `key …${key.slice(-4)}` } }
      },
    },
  },
})

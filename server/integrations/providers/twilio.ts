// Twilio: messages and calls, by account SID and auth token. Provider facts: twilio.com/docs/usage/requests-to-twilio.

import { z } from 'zod'
import { basic } from '../bearer.ts'
import { defineProvider } from '../define-provider.ts'
import { defineFields, type FieldMeta } from '../field-set.ts'
import { fieldTexts, methodLabels } from '../field-texts.ts'

const apiUrl = 'https://api.twilio.com'

const keyFields = z.object({
  username: z
    .string()
    .regex(/^AC[0-9a-f]{32}$/)
    .meta({
      title: 'Account SID',
      locales: fieldTexts('twilioSid'),
      placeholder: 'AC…',
      normalise: ['trim'],
      patternMessage: 'An account SID is AC and 32 characters.',
      autocomplete: 'off',
      helpUrl: 'https://console.twilio.com/',
    } satisfies FieldMeta),
  password: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .meta({
      title: 'Auth token',
      locales: fieldTexts('twilioToken'),
      secret: true,
      normalise: ['trim'],
      patternMessage: 'An auth token has 32 characters.',
      autocomplete: 'off',
    } satisfies FieldMeta),
})

const account = z.object({ sid: z.string(), friendly_name: z.string().optional() })

/** Twilio. */
export const twilio = defineProvider({
  provider: 'twilio',
  name: 'Twilio',
  apiUrl,
  methods: {
    basic: {
      label: 'Account SID and auth token',
      labels: methodLabels('sidAndToken', 'Twilio'),
      fields: defineFields(keyFields),
      verify: async ({ fields, request }) => {
        const { username = '', password = '' } = fields
        const url = `${apiUrl}/2010-04-01/Accounts/${username}.json`
        const { sid, friendly_name } = account.parse(
          (await request(url, { headers: basic(username, password) })).body,
        )
        return { identity: { id: sid, label: friendly_name ?? sid } }
      },
    },
  },
})

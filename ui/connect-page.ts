// The script of the server's own connect page (server/http/connect-page.ts): every element, in every language, with what
// the server wrote into the page. Bundled into dist/cdn/connect-page.js.

import type { IntegrationView } from '../shared/flow.ts'
import './define.ts'
import { configureAuthFlow, registerMessages } from './index.ts'
import { ar } from './locales/ar.ts'
import { de } from './locales/de.ts'
import { es } from './locales/es.ts'
import { fr } from './locales/fr.ts'
import { ja } from './locales/ja.ts'
import { pt } from './locales/pt.ts'

interface PageData {
  readonly endpoint: string
  readonly definitions: Readonly<Record<string, IntegrationView>>
}

// The server speaks the language of this page, and knows better what is wrong with a value.
for (const [language, messages] of Object.entries({ ar, de, es, fr, ja, pt })) {
  const kept = Object.entries(messages.fieldErrors ?? {}).filter(
    ([reason]) => !/^(pattern|rejected)$/.test(reason),
  )
  registerMessages(language, { ...messages, fieldErrors: Object.fromEntries(kept) })
}

const data: PageData = JSON.parse(document.querySelector('#authflow')?.textContent ?? '')

// First: flows take up what was left at a provider before they show what the server knew.
configureAuthFlow({ endpoint: data.endpoint })
for (const flow of document.querySelectorAll('auth-flow'))
  flow.definition = data.definitions[flow.integration]

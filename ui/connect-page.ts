// The script of the server's own connect page (server/http/connect-page.ts): every element, in every language, with what
// the server wrote into the page. Bundled into dist/cdn/connect-page.js.

import type { IntegrationView } from '../shared/flow.ts'
import './define.ts'
import { configureAuthFlow } from './index.ts'
import './locales/ar.ts'
import './locales/de.ts'
import './locales/es.ts'
import './locales/fr.ts'
import './locales/ja.ts'
import './locales/pt.ts'

interface PageData {
  readonly endpoint: string
  readonly definitions: Readonly<Record<string, IntegrationView>>
}

const data: PageData = JSON.parse(document.querySelector('#authflow')?.textContent ?? '')

// First: flows take up what was left at a provider before they show what the server knew.
configureAuthFlow({ endpoint: data.endpoint })
for (const flow of document.querySelectorAll('auth-flow'))
  flow.definition = data.definitions[flow.integration]

// Every integration that the package has, with all its methods.

import { Airtable } from '../server/integrations/airtable.ts'
import { defineIntegration } from '../server/integrations/define-integration.ts'
import { Github } from '../server/integrations/github.ts'
import type { FieldSet, Integration, Method } from '../server/integrations/integration.ts'
import { Shopify } from '../server/integrations/shopify.ts'
import { Slack } from '../server/integrations/slack.ts'
import { listFiles, root } from '../scripts/source-files.ts'

const oauth = { clientId: 'id', clientSecret: 'secret', scopes: ['read'] }

/** One with the fields that keys and passwords have where a definition names none. */
const own = defineIntegration({
  provider: 'own',
  name: 'Own',
  methods: {
    apiKey: { verify: async () => ({ identity: { id: 'a', label: 'A' } }) },
    basic: { verify: async () => ({ identity: { id: 'a', label: 'A' } }) },
  },
  client: () => ({}),
  tasks: {},
})

const isIntegration = (value: unknown): value is Integration =>
  typeof value === 'object' && value !== null && 'cloneForRun' in value && 'connect' in value

/** Those that are made by a function of their module, one module each. */
async function definedOnes(): Promise<Integration[]> {
  const files = listFiles(['server/integrations/providers'], ['.ts']).filter(
    (file) => !file.includes('.test.'),
  )
  const found: Integration[] = []
  for (const file of files) {
    const name = file.replace(/^.*\//, '').replace(/\.ts$/, '')
    const module: unknown = await import(`${root}/${file}`)
    const make: unknown =
      typeof module === 'object' && module !== null ? Reflect.get(module, name) : undefined
    if (typeof make !== 'function') throw new Error(`${file} does not export ${name}`)
    const made: unknown = make({ id: name, connect: true, oauth })
    if (!isIntegration(made)) throw new Error(`${file}: ${name} makes no integration`)
    found.push(made)
  }
  return found
}

/** All of them. */
export const integrations: readonly Integration[] = [
  new Slack({ id: 'slack', connect: true, oauth }),
  new Github({ id: 'github', connect: true, oauth, personalAccessToken: true }),
  new Airtable({ id: 'airtable', connect: true, oauth }),
  new Shopify({ id: 'shopify', connect: true, oauth }),
  own({ id: 'own', connect: true }),
  ...(await definedOnes()),
]

/** Their methods. */
export const methods: readonly { readonly place: string; readonly method: Method }[] = integrations.flatMap(
  ({ id, connect }) => (connect?.methods ?? []).map((method) => ({ place: `${id} ${method.id}`, method })),
)

/** Their fields, as declared for each method that has some. */
export const fieldSets: readonly {
  readonly place: string
  readonly fields: FieldSet
  readonly method: Method
}[] = methods.flatMap(({ place, method }) =>
  method.fields ? [{ place, fields: method.fields, method }] : [],
)

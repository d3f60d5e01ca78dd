// The site: `npm run docs` serves it, `npm run docs:build` writes docs/.vitepress/dist.

import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitepress'

const reference = readdirSync(new URL('../reference', import.meta.url))
  .map((file) => file.replace(/\.md$/, ''))
  .sort()
  .map((name) => ({ text: name.replace('integrations-', 'integrations/'), link: `/reference/${name}` }))

const recipes = ['tailwind', 'shadcn', 'plain-css', 'modal', 'settings', 'list', 'own-markup', 'states']
const pageTitle = (name: string): string => name[0]?.toUpperCase() + name.slice(1).replaceAll('-', ' ')

export default defineConfig({
  title: 'authflow',
  description: 'Connect your customers’ accounts, and act as them.',
  lang: 'en',
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ['node_modules/**', 'examples/**'],
  // The pages are read in the repository, too, where they point at files outside of docs/.
  ignoreDeadLinks: [/^(\.\/)?\.\.\//],
  vue: { template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith('auth-') } } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/start' },
      { text: 'Recipes', link: '/recipes/tailwind' },
      { text: 'Reference', link: '/reference/elements' },
    ],
    sidebar: [
      {
        text: 'Guide',
        items: [
          { text: 'Start', link: '/start' },
          { text: 'The elements', link: '/elements' },
          { text: 'States of a flow', link: '/states' },
          { text: 'Frameworks', link: '/frameworks' },
          { text: 'Hosted page', link: '/hosted' },
          { text: 'Connections', link: '/connections' },
          { text: 'Refreshing', link: '/refresh' },
          { text: 'Inside a run', link: '/jobs' },
          { text: 'Limits', link: '/limits' },
          { text: 'Schedules and webhooks', link: '/triggers' },
          { text: 'Providers', link: '/providers' },
          { text: 'Triggers', link: '/triggers' },
          { text: 'Keys and backups', link: '/keys' },
          { text: 'Watching it', link: '/observability' },
          { text: 'Operations', link: '/operations' },
          { text: 'Command line', link: '/cli' },
          { text: 'Connections', link: '/connections' },
          { text: 'Refreshing', link: '/refresh' },
          { text: 'Schedules and webhooks', link: '/triggers' },
          { text: 'Refreshing', link: '/refresh' },
          { text: 'Security', link: '/security' },
          { text: 'Reliability', link: '/reliability' },
          { text: 'What others got wrong', link: '/defects' },
          { text: 'The original’s API', link: '/original-api' },
          { text: 'Browsers', link: '/browsers' },
          { text: 'Accessibility', link: '/accessibility' },
          { text: 'Compared with others', link: '/comparison' },
        ],
      },
      {
        text: 'Recipes',
        items: recipes.map((name) => ({ text: pageTitle(name), link: `/recipes/${name}` })),
      },
      {
        text: 'When it does not work',
        items: [
          { text: 'Troubleshooting', link: '/troubleshooting' },
          { text: 'Error codes', link: '/errors' },
        ],
      },
      { text: 'Reference', collapsed: true, items: reference },
      {
        text: 'About',
        items: [
          { text: 'Words', link: '/glossary' },
          { text: 'Decisions', link: '/decisions' },
        ],
      },
    ],
  },
})

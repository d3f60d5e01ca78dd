// The site: `npm run docs` serves it, `npm run docs:build` writes docs/.vitepress/dist.

import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitepress'

const reference = readdirSync(new URL('../reference', import.meta.url))
  .filter((file) => file.endsWith('.md'))
  .map((file) => file.replace(/\.md$/, ''))
  .sort()
  .map((name) => ({ text: name.replace('integrations-', 'integrations/'), link: `/reference/${name}` }))

/** Set by `npm run docs`, which has a connect server with stand-in providers beside the site. */
const { AUTHFLOW_DOCS_ENDPOINT: sandbox = '' } = process.env

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
  // The usual colours of code are too pale on the theme's grey.
  markdown: { theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' } },
  vue: { template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith('auth-') } } },
  vite: {
    define: { __SANDBOX__: JSON.stringify(sandbox) },
    // The examples are built apart; what they import is no package of the site's.
    optimizeDeps: { entries: ['.vitepress/theme/index.ts'] },
    ...(sandbox && { server: { proxy: { '/connect-token': sandbox } } }),
  },
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
          { text: 'Storybook and tests', link: '/testing' },
          { text: 'Hosted page', link: '/hosted' },
          { text: 'Providers', link: '/providers' },
        ],
      },
      {
        text: 'Connections and jobs',
        items: [
          { text: 'Connections', link: '/connections' },
          { text: 'Refreshing', link: '/refresh' },
          { text: 'Inside a run', link: '/jobs' },
          { text: 'Schedules and webhooks', link: '/triggers' },
          { text: 'Limits', link: '/limits' },
        ],
      },
      {
        text: 'Running it',
        items: [
          { text: 'Operations', link: '/operations' },
          { text: 'Keys and backups', link: '/keys' },
          { text: 'Watching it', link: '/observability' },
          { text: 'Command line', link: '/cli' },
        ],
      },
      {
        text: 'What it promises',
        items: [
          { text: 'Security', link: '/security' },
          { text: 'Reliability', link: '/reliability' },
          { text: 'Performance', link: '/performance' },
          { text: 'Browsers', link: '/browsers' },
          { text: 'Accessibility', link: '/accessibility' },
          { text: 'What others got wrong', link: '/defects' },
          { text: 'The original’s API', link: '/original-api' },
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

// Builds the demo's pages. The library itself is built by tsc (tsconfig.build.json).

import { fileURLToPath } from 'node:url'
import tailwind from '@tailwindcss/vite'
import { defineConfig } from 'vite'

const pages = new URL('./demo/pages/', import.meta.url)
const page = (name: string): string => fileURLToPath(new URL(name, pages))
const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: fileURLToPath(pages),
  logLevel: 'warn',
  plugins: [tailwind()],
  // The pages import the package by its public names, as a user's page would.
  resolve: { alias: { 'authflow/define': source('./ui/define.ts'), 'authflow/ui': source('./ui/index.ts') } },
  build: {
    target: 'es2022',
    modulePreload: false,
    rolldownOptions: {
      input: {
        index: page('index.html'),
        plain: page('plain.html'),
        unstyled: page('unstyled.html'),
        site: page('site.html'),
      },
    },
  },
})

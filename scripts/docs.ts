// The documentation's site. Its packages have a manifest of their own: `npm ci --prefix docs --ignore-scripts` first.
//
//   npm run docs          builds the package, the reference and the examples, then serves the site
//   npm run docs:build    writes the site to docs/.vitepress/dist

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import tailwind from '@tailwindcss/vite'
import { build } from 'vite'
import { runCommand } from './command.ts'
import { root } from './source-files.ts'

const docs = join(root, 'docs')
const examples = join(docs, 'examples')
const vitepress = join(docs, 'node_modules/vitepress/bin/vitepress.js')

/** The live examples, each a page of its own with the elements and a fake server inside. */
const buildExamples = (): Promise<unknown> =>
  build({
    configFile: false,
    root: examples,
    base: './',
    logLevel: 'warn',
    plugins: [tailwind()],
    resolve: {
      alias: {
        'authflow/define': join(root, 'ui/define.ts'),
        'authflow/fake': join(root, 'ui/fake/fake-connect.ts'),
        'authflow/ui': join(root, 'ui/index.ts'),
      },
    },
    build: {
      outDir: join(docs, 'public/examples'),
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: {
        input: readdirSync(examples)
          .filter((file) => file.endsWith('.html'))
          .map((file) => join(examples, file)),
      },
    },
  })

async function main(): Promise<number> {
  if (!existsSync(vitepress)) {
    console.error('First: npm ci --prefix docs --ignore-scripts')
    return 1
  }
  for (const script of ['build.ts', 'reference-pages.ts']) {
    const { code } = await runCommand(process.execPath, ['--import', 'tsx', join(root, 'scripts', script)], {
      show: true,
    })
    if (code !== 0) return code
  }
  await buildExamples()
  const command = process.argv.includes('--build') ? 'build' : 'dev'
  return (await runCommand(process.execPath, [vitepress, command, docs], { show: true })).code
}

process.exitCode = await main()

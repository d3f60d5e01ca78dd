// The documentation's site. Its packages have a manifest of their own: `npm ci --prefix docs --ignore-scripts` first.
//
//   npm run docs          builds the package, the reference and the examples, then serves the site, with a connect server
//                         and stand-in providers for the examples beside it
//   npm run docs:build    writes the site to docs/.vitepress/dist

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import tailwind from '@tailwindcss/vite'
import { build } from 'vite'
import { runCommand } from './command.ts'
import { startDocsSandbox } from './docs-sandbox.ts'
import { root } from './source-files.ts'

const sitePort = 5173
const sandboxPort = 4390
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
  if (!process.argv.includes('--build')) return serve()
  await buildExamples()
  return (await runCommand(process.execPath, [vitepress, 'build', docs], { show: true })).code
}

async function serve(): Promise<number> {
  // Before the examples: vite makes this a process in production, where there are no stand-ins.
  const sandbox = await startDocsSandbox({ port: sandboxPort, siteUrl: `http://localhost:${sitePort}` })
  // Ctrl+C ends the site's server, and that ends this.
  process.on('SIGINT', () => undefined)
  try {
    await buildExamples()
    const args = [vitepress, 'dev', docs, '--port', String(sitePort), '--strictPort']
    const env = {
      // Vite has made it production here, in which the site's own server shows no page.
      NODE_ENV: 'development',
      AUTHFLOW_DOCS_ENDPOINT: sandbox.endpoint,
    }
    return (await runCommand(process.execPath, args, { show: true, env })).code
  } finally {
    await sandbox.close()
  }
}

process.exitCode = await main()

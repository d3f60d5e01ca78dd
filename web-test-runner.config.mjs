// Component tests in Chromium: `npm run test:ui`. Reads CHROME_PATH, else takes Debian's chromium.

import { fileURLToPath } from 'node:url'
import { esbuildPlugin } from '@web/dev-server-esbuild'
import { chromeLauncher } from '@web/test-runner-chrome'

const offline = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export default {
  files: 'ui/**/*.test.ts',
  nodeResolve: true,
  hostname: '127.0.0.1',
  plugins: [
    esbuildPlugin({
      ts: true,
      target: 'es2022',
      tsconfig: fileURLToPath(new URL('./tsconfig.json', import.meta.url)),
    }),
  ],
  browsers: [
    chromeLauncher({
      launchOptions: {
        executablePath: process.env.CHROME_PATH ?? '/usr/bin/chromium',
        // The sandbox needs privileges that containers do not have.
        args: ['--no-sandbox', '--disable-gpu', ...offline],
      },
    }),
  ],
}

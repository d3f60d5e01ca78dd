// The engines that the suite runs on: all three, or those that AUTHFLOW_ENGINES names.

import { existsSync } from 'node:fs'
import { describe } from 'node:test'
import type { Engine, EngineName } from './engine.ts'
import { startChromium, startFirefox } from './puppeteer.ts'
import { startWebKit } from './webkit.ts'

const engines: Readonly<
  Record<EngineName, { readonly file: string; readonly debian: string; start(): Promise<Engine> }>
> = {
  Chromium: {
    file: process.env['CHROME_PATH'] ?? '/usr/bin/chromium',
    debian: 'chromium',
    start: startChromium,
  },
  Firefox: {
    file: process.env['FIREFOX_PATH'] ?? '/usr/bin/firefox-esr',
    debian: 'firefox-esr',
    start: startFirefox,
  },
  WebKitGTK: {
    file: process.env['WEBKIT_DRIVER_PATH'] ?? '/usr/bin/WebKitWebDriver',
    debian: 'webkit2gtk-driver and xvfb',
    start: startWebKit,
  },
}

const wanted = process.env['AUTHFLOW_ENGINES']?.toLowerCase().split(',')

const isEngine = (name: string): name is EngineName => name in engines

/** Describes the same on every engine. One that is not installed is skipped, and the reason names its package. */
export function onEveryEngine(tests: (name: EngineName, start: () => Promise<Engine>) => void): void {
  for (const name of Object.keys(engines).filter(isEngine)) {
    if (wanted && !wanted.includes(name.toLowerCase())) continue
    const { file, debian, start } = engines[name]
    const skip = !existsSync(file) && `install Debian’s ${debian} for this engine`
    describe(name, { skip }, () => tests(name, start))
  }
}

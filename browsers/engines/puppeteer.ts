// Chromium by its own protocol and Firefox by WebDriver BiDi, both through Puppeteer. What its defaults take away is put
// back: the popup blocker, and in Chromium the partitions of storage.

import puppeteer, {
  type BrowserContext,
  type Frame,
  type KeyInput,
  type LaunchOptions,
  type Page,
} from 'puppeteer-core'
import { siteNames } from '../../server/http/fixtures/sites.ts'
import { eventually, patienceMs, type Engine, type EngineName, type Profile, type Window } from './engine.ts'

/** Starts the machine's Chromium (`CHROME_PATH`, default /usr/bin/chromium). */
export const startChromium = (): Promise<Engine> =>
  start('Chromium', {
    browser: 'chrome',
    executablePath: process.env['CHROME_PATH'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--host-resolver-rules=MAP *.test 127.0.0.1',
      '--enable-features=ThirdPartyStoragePartitioning',
    ],
    ignoreDefaultArgs: ['--disable-popup-blocking'],
  })

/** Starts the machine's Firefox (`FIREFOX_PATH`, default /usr/bin/firefox-esr). */
export const startFirefox = (): Promise<Engine> =>
  start('Firefox', {
    browser: 'firefox',
    executablePath: process.env['FIREFOX_PATH'] ?? '/usr/bin/firefox-esr',
    extraPrefsFirefox: {
      'dom.disable_open_during_load': true,
      'network.dns.localDomains': Object.values(siteNames).join(','),
      'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false,
    },
  })

async function start(name: EngineName, options: LaunchOptions): Promise<Engine> {
  const browser = await puppeteer.launch({ ...options, headless: true, acceptInsecureCerts: true })
  return {
    name,
    version: (await browser.version()).replace(/^.*\//, ''),
    openProfile: async () => profileOf(await browser.createBrowserContext()),
    close: () => browser.close(),
  }
}

function profileOf(context: BrowserContext): Profile {
  return {
    async open(url) {
      const page = await context.newPage()
      await page.goto(url)
      return windowOf(page)
    },
    find: (selector) =>
      eventually(async () => {
        for (const page of await context.pages()) {
          if (await page.$(selector).catch(() => null)) return windowOf(page)
        }
        return undefined
      }, `a window with ${selector}`),
    count: async () => (await context.pages()).length,
    close: () => context.close(),
  }
}

function windowOf(page: Page, document: Page | Frame = page): Window {
  const wait = async (selector: string, visible = false) => {
    const found = await document.waitForSelector(selector, { visible, timeout: patienceMs })
    if (!found) throw new Error(`nothing is ${selector}`)
    return found
  }
  return {
    evaluate: async (run, argument = '') => document.evaluate(run, argument),
    goto: async (url) => void (await document.goto(url)),
    reload: async () => void (await page.reload()),
    back: async () => void (await page.goBack()),
    close: () => page.close(),
    click: async (selector) => {
      const element = await wait(selector, true)
      await page.bringToFront()
      await element.click()
    },
    press: (key) => (isKey(key) ? page.keyboard.press(keys[key]) : page.keyboard.type(key)),
    waitFor: async (selector) => void (await wait(selector)),
    text: async (selector) => (await wait(selector)).evaluate((element) => element.textContent ?? ''),
    offers: async (role, name) =>
      void (await wait(`::-p-aria([role=${JSON.stringify(role)}][name=${JSON.stringify(name)}])`)),
    async frame(selector) {
      const content = await (await wait(selector)).contentFrame()
      if (!(content && 'page' in content)) throw new Error(`${selector} is no frame`)
      return windowOf(page, content)
    },
    setOffline: (offline) => page.setOfflineMode(offline),
  }
}

const keys = {
  Tab: 'Tab',
  Enter: 'Enter',
  Escape: 'Escape',
  ArrowDown: 'ArrowDown',
} as const satisfies Record<string, KeyInput>

const isKey = (key: string): key is keyof typeof keys => key in keys

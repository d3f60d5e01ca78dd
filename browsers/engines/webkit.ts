// WebKitGTK by its own WebDriver, in a window of a display that nobody sees. A driver has one session at a time and a
// session one profile, so a profile is a browser of its own.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo } from 'node:net'
import { createServer as createProxy, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Builder, By, Capabilities, Key, until, type WebDriver } from 'selenium-webdriver'
import { eventually, patienceMs, type Engine, type Profile, type Window } from './engine.ts'

const miniBrowser = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser'

/** Starts the machine's WebKitGTK (`WEBKIT_DRIVER_PATH`, default /usr/bin/WebKitWebDriver), and Xvfb for it. */
export async function startWebKit(): Promise<Engine> {
  const { display, child: screen } = await startDisplay()
  const proxy = await startNames()
  const port = await freePort()
  const driver = spawn(process.env['WEBKIT_DRIVER_PATH'] ?? '/usr/bin/WebKitWebDriver', [`--port=${port}`], {
    // Its sandbox needs privileges that containers do not have.
    env: {
      ...process.env,
      DISPLAY: display,
      GDK_BACKEND: 'x11',
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    },
    stdio: 'ignore',
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => (await fetch(`${url}/status`)).ok || undefined, 'WebKitWebDriver')
  const open = (): Promise<WebDriver> => openSession(url, proxy.port)
  const probe = await open()
  const version = (await probe.getCapabilities()).get('browserVersion')
  await endSession(probe)
  return {
    name: 'WebKitGTK',
    version: String(version),
    openProfile: async () => profileOf(await open()),
    close: async () => {
      await Promise.all([end(driver), end(screen)])
      proxy.close()
    },
  }
}

const answerMs = 30_000
const attempts = 3

/** What is answered, or undefined where no answer comes: now and then the driver forgets one, and then has no session. */
const answered = <T>(pending: Promise<T>): Promise<T | undefined> =>
  Promise.race([pending, sleep(answerMs, undefined, { ref: false })])

/** A session. One that the driver has forgotten is asked for again, which is said. */
async function openSession(url: string, proxyPort: number): Promise<WebDriver> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const session = await answered(build(url, proxyPort))
    if (session !== undefined) return session
    console.warn(
      `WebKitWebDriver did not answer ${attempt} of ${attempts} times that a session was asked for.`,
    )
  }
  throw new Error('WebKitWebDriver opens no session.')
}

/** Ends a session. When the end is not answered, the next session shows whether there was one. */
const endSession = (driver: WebDriver): Promise<void> => answered(driver.quit())

const build = (url: string, proxyPort: number): Promise<WebDriver> =>
  new Builder()
    .usingServer(url)
    .withCapabilities(
      new Capabilities({
        browserName: 'MiniBrowser',
        acceptInsecureCerts: true,
        'webkitgtk:browserOptions': {
          binary: miniBrowser,
          args: ['--automation', `--proxy=http://127.0.0.1:${proxyPort}`],
        },
      }),
    )
    .build()

async function startDisplay(): Promise<{ display: string; child: ChildProcess }> {
  const child = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const pipe = child.stdio[3]
  if (!pipe) throw new TypeError('Xvfb has no pipe')
  const [number]: unknown[] = await once(pipe, 'data')
  return { display: `:${String(number).trim()}`, child }
}

/** Leads every name to this machine: WebKitGTK has no rules for names, but it takes a proxy. */
async function startNames(): Promise<{ port: number; close: () => void }> {
  const proxy: Server = createProxy((_req, res) => void res.writeHead(405).end())
  const open = new Set<{ destroy(): unknown }>()
  proxy.on('connect', (req, client) => {
    const [, port = ''] = (req.url ?? '').split(':')
    const there = connect(Number(port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.pipe(there).pipe(client)
    })
    for (const socket of [client, there]) {
      open.add(socket)
      socket
        .on('error', () => {})
        .on('close', () => {
          open.delete(socket)
          client.destroy()
          there.destroy()
        })
    }
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  return {
    port: portOf(proxy.address()),
    close: () => {
      proxy.close()
      for (const socket of open) socket.destroy()
    },
  }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await once(probe.listen(0, '127.0.0.1'), 'listening')
  const port = portOf(probe.address())
  await new Promise((resolve) => probe.close(resolve))
  return port
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return address.port
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

function profileOf(driver: WebDriver): Profile {
  const inTurn = queue()
  const find = (selector: string): Promise<Window> =>
    eventually(
      () =>
        inTurn(async () => {
          for (const handle of await driver.getAllWindowHandles()) {
            await driver.switchTo().window(handle)
            const [found] = await driver.findElements(By.css(selector))
            if (found) return windowOf(driver, inTurn, { handle })
          }
          return undefined
        }),
      `a window with ${selector}`,
    )
  let used = false
  return {
    open: (url) =>
      inTurn(async () => {
        // The session begins with an empty window.
        if (used) await driver.switchTo().newWindow('window')
        used = true
        await driver.get(url)
        return windowOf(driver, inTurn, { handle: await driver.getWindowHandle() })
      }),
    find,
    count: () => inTurn(async () => (await driver.getAllWindowHandles()).length),
    close: () => inTurn(() => endSession(driver)),
  }
}

type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** One after the other: a session is at one window at a time. */
function queue(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }
}

interface Place {
  readonly handle: string
  readonly frame?: string
}

function windowOf(driver: WebDriver, inTurn: InTurn, place: Place): Window {
  const here = <T>(work: () => Promise<T>): Promise<T> =>
    inTurn(async () => {
      await driver.switchTo().window(place.handle)
      if (place.frame !== undefined) {
        await driver
          .switchTo()
          .frame(await driver.wait(until.elementLocated(By.css(place.frame)), patienceMs))
      }
      return work()
    })
  const located = (selector: string) => driver.wait(until.elementLocated(By.css(selector)), patienceMs)
  return {
    evaluate: (run, argument = '') => here(() => driver.executeScript(run, argument)),
    goto: (url) => here(() => driver.get(url)),
    reload: () => here(() => driver.navigate().refresh()),
    back: () => here(() => driver.navigate().back()),
    close: () => here(() => driver.close()),
    click: (selector) =>
      here(async () => {
        const element = await located(selector)
        await driver.wait(until.elementIsVisible(element), patienceMs)
        await element.click()
      }),
    press: (key) =>
      here(() =>
        driver
          .actions()
          .sendKeys(isKey(key) ? keys[key] : key)
          .perform(),
      ),
    waitFor: (selector) => here(async () => void (await located(selector))),
    text: (selector) =>
      here(async () =>
        driver.executeScript<string>('return arguments[0].textContent', await located(selector)),
      ),
    offers: async (role, name) => {
      await eventually(() => here(() => findRole(driver, role, name)), `a ${role} named ${name}`)
    },
    frame: async (selector) => {
      await here(() => located(selector))
      return windowOf(driver, inTurn, { handle: place.handle, frame: selector })
    },
    setOffline: undefined,
  }
}

async function findRole(driver: WebDriver, role: string, name: string): Promise<true | undefined> {
  for (const element of await driver.findElements(By.css(controls))) {
    // The driver fails for what is hidden, and so has no role.
    if (!(await element.isDisplayed())) continue
    if ((await element.getAriaRole()) === role && (await element.getAccessibleName()) === name) return true
  }
  return undefined
}

/** What may have a role that somebody looks for. */
const controls = 'button, a, input, select, textarea, dialog, [role]'

const keys = { Tab: Key.TAB, Enter: Key.ENTER, Escape: Key.ESCAPE, ArrowDown: Key.ARROW_DOWN } as const

const isKey = (key: string): key is keyof typeof keys => key in keys

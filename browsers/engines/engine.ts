// A browser as the tests drive it: profiles, windows, and what a person does in a window. Input is real, as from a mouse
// and a keyboard, because only such input counts as a gesture for a popup blocker.

/** The engines, as reports name them. */
export type EngineName = 'Chromium' | 'Firefox' | 'WebKitGTK'

/** A running browser, its popup blocker on. */
export interface Engine {
  readonly name: EngineName
  /** As the browser tells it. */
  readonly version: string
  /** A person's own profile: cookies and storage are shared with no other. */
  openProfile(): Promise<Profile>
  close(): Promise<void>
}

/** One person's windows. */
export interface Profile {
  /** A new window at the address, once it is loaded. */
  open(url: string): Promise<Window>
  /** The window with the element, whichever it is, as soon as there is one. */
  find(selector: string): Promise<Window>
  /** How many windows are open. */
  count(): Promise<number>
  close(): Promise<void>
}

/** A window, or a frame in one. Whatever names an element waits until it is there. */
export interface Window {
  /** Runs a function in the page. It sees nothing of the test but its argument, and may name no functions of its own. */
  evaluate<Result>(run: (argument: string) => Result | Promise<Result>, argument?: string): Promise<Result>
  goto(url: string): Promise<void>
  reload(): Promise<void>
  /** The browser's Back. */
  back(): Promise<void>
  /** Closes the window, as a person does. */
  close(): Promise<void>
  /** A click in the middle of the element. */
  click(selector: string): Promise<void>
  /** A key as WebDriver names it (`Tab`, `Enter`, `Escape`, `ArrowDown`), or text to be typed. */
  press(key: string): Promise<void>
  waitFor(selector: string): Promise<void>
  /** The element's text. */
  text(selector: string): Promise<string>
  /** Waits until the browser itself gives an element this role and name. */
  offers(role: string, name: string): Promise<void>
  /** The document of a frame. */
  frame(selector: string): Promise<Window>
  /** Takes the whole browser off the network, or back; undefined where the driver cannot. */
  readonly setOffline: ((offline: boolean) => Promise<void>) | undefined
}

/** How long is waited for what must come, before the test has failed. */
export const patienceMs = 20_000

/** Asks until there is an answer. */
export async function eventually<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  let last: unknown
  for (const end = performance.now() + patienceMs; performance.now() < end;) {
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
    } catch (error) {
      // A page may be on its way elsewhere.
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 40))
  }
  throw new Error(`waited in vain: ${what}`, { cause: last })
}

import { equal } from '../fixtures/equal.ts'
import { fakeConnect } from '../fake/fake-connect.ts'
import {
  choice,
  cleanUp,
  connectServer,
  fixture,
  inState,
  markup,
  need,
  settled,
  simple,
  until,
} from '../fixtures/page.ts'

/** Counts what is left on window and document, and of timers and requests, while it is there. */
function ledger(): { left: () => Record<string, number>; restore: () => void } {
  const left = { listeners: 0, intervals: 0, requests: 0 }
  const timeouts = new Set<unknown>()
  const { addEventListener, removeEventListener } = EventTarget.prototype
  const { setTimeout, clearTimeout, setInterval, clearInterval, fetch } = globalThis
  const shared = (target: unknown): boolean =>
    target === window || target === document || target === undefined
  EventTarget.prototype.addEventListener = function (
    this: EventTarget,
    ...[type, listener, options]: Parameters<typeof addEventListener>
  ) {
    if (shared(this)) {
      left.listeners += 1
      const signal = typeof options === 'object' ? options.signal : undefined
      if (signal) addEventListener.call(signal, 'abort', () => (left.listeners -= 1), { once: true })
    }
    addEventListener.call(this, type, listener, options)
  }
  EventTarget.prototype.removeEventListener = function (
    this: EventTarget,
    ...[type, listener, options]: Parameters<typeof removeEventListener>
  ) {
    if (shared(this)) left.listeners -= 1
    removeEventListener.call(this, type, listener, options)
  }
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, ms?: number) => {
      const id = setTimeout(() => {
        timeouts.delete(id)
        callback()
      }, ms)
      timeouts.add(id)
      return id
    },
    clearTimeout: (id: Parameters<typeof clearTimeout>[0]) => {
      timeouts.delete(id)
      clearTimeout(id)
    },
    setInterval: (...given: Parameters<typeof setInterval>) => {
      left.intervals += 1
      return setInterval(...given)
    },
    clearInterval: (id: Parameters<typeof clearInterval>[0]) => {
      if (id !== undefined) left.intervals -= 1
      clearInterval(id)
    },
    fetch: (...given: Parameters<typeof fetch>) => {
      left.requests += 1
      return fetch(...given)
    },
  })
  return {
    left: () => ({ ...left, timeouts: timeouts.size }),
    restore: () => {
      Object.assign(EventTarget.prototype, { addEventListener, removeEventListener })
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval, fetch })
    },
  }
}

describe('elements that come and go', () => {
  before(connectServer)
  afterEach(cleanUp)

  it('leave no listener, timer or request after 1,000 times', async () => {
    const flow = await fixture(markup())
    flow.definition = choice
    await settled()
    const place = flow.parentElement
    const count = ledger()
    try {
      for (let round = 0; round < 1000; round++) {
        flow.remove()
        place?.append(flow)
        if (round % 50 === 0) await settled()
      }
      flow.remove()
      await settled()
      equal(count.left(), { listeners: 0, intervals: 0, requests: 0, timeouts: 0 })
    } finally {
      count.restore()
    }
  })

  it('leave nothing when the flow was begun and given up each time', async () => {
    const flow = await fixture(markup())
    flow.definition = choice
    await settled()
    const count = ledger()
    try {
      for (let round = 0; round < 100; round++) {
        flow.start()
        flow.flow.cancel()
      }
      flow.remove()
      await settled()
      equal(count.left(), { listeners: 0, intervals: 0, requests: 0, timeouts: 0 })
    } finally {
      count.restore()
    }
  })

  it('leave nothing when they go while the account is at the provider, between two polls', async () => {
    const fake = fakeConnect({ integrations: [simple], outcome: 'waits', delayMs: 10 })
    const flow = await fixture(markup())
    Object.assign(flow, { integration: 'simple', definition: simple })
    await settled()
    const count = ledger()
    try {
      need(flow, 'auth-trigger button').click()
      await inState(flow, 'authorize')
      const before = count.left()['requests'] ?? 0
      await until(() => (count.left()['requests'] ?? 0) > before, 'a poll')
      // It is answered without news, and the next one is seconds away.
      await new Promise((resolve) => setTimeout(resolve, 300))
      equal((count.left()['timeouts'] ?? 0) > 0, true)
      flow.remove()
      await settled()
      equal({ ...count.left(), requests: 0 }, { listeners: 0, intervals: 0, requests: 0, timeouts: 0 })
    } finally {
      count.restore()
      fake.restore()
      await connectServer()
    }
  })

  it('add no layout shift and no style with their first rendering', async () => {
    const shifts: number[] = []
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if ('value' in entry) shifts.push(Number(entry.value))
    })
    observer.observe({ type: 'layout-shift', buffered: false })
    const sheets = document.styleSheets.length + document.adoptedStyleSheets.length
    await fixture(`${markup()}<p>below</p>`)
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    await settled()
    observer.disconnect()
    equal(shifts, [])
    equal(document.styleSheets.length + document.adoptedStyleSheets.length, sheets)
  })
})

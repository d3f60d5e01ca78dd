import { equal } from '../fixtures/equal.ts'
import { until } from '../fixtures/page.ts'
import { watchFlow, type Watch } from './watching.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
let count = 0
const newLock = (): string => `test ${++count} ${Date.now()}`

/** A poll that holds until it is cut off, as the server's does, and remembers what it was asked. */
function recorder(news = false) {
  const asked: number[] = []
  let held = 0
  const poll = (waitMs: number, signal: AbortSignal): Promise<boolean> => {
    asked.push(waitMs)
    if (waitMs === 0) return Promise.resolve(news)
    held++
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => {
        held--
        reject(signal.reason)
      }),
    )
  }
  return { asked, poll, held: () => held }
}

describe('watchFlow', () => {
  const running: Watch[] = []
  const watch = (lock: string, poll: Parameters<typeof watchFlow>[1]): Watch => {
    const started = watchFlow(lock, poll)
    running.push(started)
    return started
  }
  afterEach(() => running.splice(0).forEach((one) => one.stop()))

  it('holds one poll', async () => {
    const { asked, poll, held } = recorder()
    watch(newLock(), poll)
    await until(held, 'the poll')
    equal(asked, [25_000])
  })

  it('lets one of several hold a poll; another takes over when it stops', async () => {
    const lock = newLock()
    const first = recorder()
    const second = recorder()
    const leader = watch(lock, first.poll)
    await until(first.held, 'the first')
    watch(lock, second.poll)
    await until(() => second.asked.length, 'the second')
    equal([second.asked, second.held()], [[0], 0])
    leader.stop()
    await until(second.held, 'the second to lead')
    equal([first.held(), second.asked.at(-1)], [0, 25_000])
  })

  it('reads at once when poked, when the page gets the focus, and when another tab says so', async () => {
    const { asked, poll, held } = recorder()
    const watching = watch(newLock(), poll)
    await until(held, 'the poll')
    const channel = new BroadcastChannel('authflow')
    const hints = [
      () => watching.poke(),
      () => dispatchEvent(new Event('focus')),
      () => dispatchEvent(new Event('online')),
      () => channel.postMessage(''),
    ]
    for (const [index, hint] of hints.entries()) {
      hint()
      await until(() => asked.length === index + 2 && held() === 1, `hint ${index}`)
    }
    channel.close()
  })

  it('tells the other tabs of news', async () => {
    const heard: unknown[] = []
    const channel = new BroadcastChannel('authflow')
    channel.onmessage = ({ data }) => heard.push(data)
    let told = false
    watch(newLock(), (waitMs, signal) => {
      if (told || waitMs === 0) return recorder().poll(1, signal)
      return Promise.resolve((told = true))
    })
    await until(() => heard.length, 'the word')
    equal(heard[0], '')
    channel.close()
  })

  it('waits between failures, and between polls that the server does not hold', async () => {
    let failures = 0
    let empty = 0
    watch(newLock(), () => (failures++, Promise.reject(new Error('down'))))
    watch(newLock(), () => (empty++, Promise.resolve(false)))
    await pause(700)
    equal([failures, empty], [1, 1])
    await until(() => failures === 2, 'the second try')
  })

  it('ends everything when it is stopped', async () => {
    const lock = newLock()
    const { asked, poll, held } = recorder()
    const watching = watch(lock, poll)
    await until(held, 'the poll')
    watching.stop()
    watching.stop()
    watching.poke()
    dispatchEvent(new Event('focus'))
    await pause(100)
    const locks = await navigator.locks.query()
    equal([held(), asked.length, locks.held?.some(({ name }) => name === lock)], [0, 1, false])
  })

  it('ends its poll and its lock while the page is put away, and reads again when it is back', async () => {
    const lock = newLock()
    const { asked, poll, held } = recorder()
    watch(lock, poll)
    await until(held, 'the poll')
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))
    await until(() => held() === 0, 'the end')
    await pause(100)
    equal([asked.length, (await navigator.locks.query()).held?.some(({ name }) => name === lock)], [1, false])
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
    await until(held, 'the poll')
  })
})

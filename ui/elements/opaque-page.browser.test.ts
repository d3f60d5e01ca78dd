// A page in a sandbox without `allow-same-origin` has no origin to connect from. Nothing may be asked of the provider
// for it, and its author has to see why.

import { equal } from '../fixtures/equal.ts'
import { cleanUp, connectServer, newAccount } from '../fixtures/page.ts'

describe('a page without an origin', () => {
  afterEach(cleanUp)

  it('shows origin_opaque in the element, and connects nothing', async () => {
    const { endpoint, backend } = await connectServer()
    const query = new URLSearchParams({ endpoint, tokenUrl: `${backend}/${newAccount()}` })
    const frame = document.createElement('iframe')
    frame.dataset['fixture'] = ''
    frame.setAttribute('sandbox', 'allow-scripts allow-popups')
    frame.src = `/ui/fixtures/opaque.html?${query}`
    const told = new Promise<unknown>((resolve) => {
      addEventListener('message', ({ source, data }) => source === frame.contentWindow && resolve(data))
    })
    document.body.append(frame)
    const shown = await told
    equal(shown, {
      origin: 'null',
      code: 'origin_opaque',
      state: 'failed',
      text: 'Connect\nNo connect token.\nTry again',
    })
  })
})

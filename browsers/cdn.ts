// A network that delivers files: the one for a script tag, built as the package has it, on an origin of its own.

import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildCdn } from '../scripts/cdn.ts'

/** Where pages get the elements from that have no bundler. */
export interface Cdn {
  readonly listener: RequestListener
  /**
   * All that a page needs to have the elements: one `tag` that runs only the file with the digest that it was written for,
   * or one that imports the file (`import`) and names the connect server.
   */
  markup(how: string, endpoint: string): Promise<string>
}

/** Makes it; the file is built when it is first asked for. */
export function createCdn(origin: string): Cdn {
  const url = `${origin}/authflow.js`
  let built: Promise<Buffer> | undefined
  const file = (): Promise<Buffer> => (built ??= buildFile())
  return {
    listener: (req, res) => {
      if (req.url !== '/authflow.js') return void res.writeHead(404).end()
      file().then(
        (content) =>
          res
            .writeHead(200, {
              'content-type': 'text/javascript; charset=utf-8',
              'access-control-allow-origin': '*',
              'cross-origin-resource-policy': 'cross-origin',
              'cache-control': 'public, max-age=31536000, immutable',
            })
            .end(content),
        (error: unknown) => res.writeHead(500).end(String(error)),
      )
    },
    async markup(how, endpoint) {
      if (how === 'import')
        return `<script type="module">import { configureAuthFlow } from '${url}'; configureAuthFlow({ endpoint: '${endpoint}' })</script>`
      const digest = createHash('sha384')
        .update(await file())
        .digest('base64')
      return `<script type="module" src="${url}" integrity="sha384-${digest}" crossorigin></script>`
    },
  }
}

async function buildFile(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'authflow-cdn-'))
  try {
    await buildCdn(folder)
    return await readFile(join(folder, 'authflow.js'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

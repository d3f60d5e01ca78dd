// A product that uses the elements, as far as connecting goes: its page, the address that mints connect tokens, and what
// it hears from its own page. Every window tells its events to its backend, so that tests learn of them without a
// word to the browser, which a driver might bring to the front by asking.

import { build } from 'esbuild'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { ServerApi, IntegrationList } from '../server/server-api.ts'
import type { Cdn } from './cdn.ts'
import { eventually } from './engines/engine.ts'
import type { Before } from './network.ts'

/** What a page told. */
export interface PageEvent {
  readonly account: string
  /** `auth-success`. */
  readonly type: string
  /** The flow's state then. */
  readonly state: string
  /** Its code, for `auth-error`. */
  readonly code: string | undefined
  /** When, by the browser's clock, which is this machine's. */
  readonly at: number
}

/** A running product. */
export interface Host {
  readonly listener: RequestListener
  /** Headers of its pages from now on. */
  headers: Before
  /** What happens to a request for a connect token before it is answered. */
  beforeToken: Before
  /** Headers and tokens as they were at first. */
  restore(): void
  /** What its pages told, in order. */
  readonly events: PageEvent[]
  /** The account's next event of a type, or one that was told already. */
  heard(account: string, type: string): Promise<PageEvent>
}

/** What it needs. */
export interface HostOptions {
  readonly origin: string
  /** The server at the address that a page asks for, and the product's line to it. */
  readonly servers: Readonly<Record<string, { readonly url: string; readonly api: Api }>>
  /** Where pages with `cdn=` have their only script from. */
  readonly cdn: Cdn
}

type Api = Pick<ServerApi<IntegrationList>, 'connectTokens'>

const root = fileURLToPath(new URL('..', import.meta.url))

/** What its page runs, beside the elements. */
const pageScript = `
import { configureAuthFlow } from './ui/index.ts'
import './ui/define.ts'
const page = document.documentElement.dataset
// Before anything is configured: a flow that comes back by redirect reads at once.
for (const flow of document.querySelectorAll('auth-flow[data-token]')) flow.connectToken = flow.dataset.token
configureAuthFlow({ endpoint: page.endpoint })
for (const type of ['state-change', 'success', 'error', 'cancel', 'popup-closed', 'popup-blocked']) {
  document.addEventListener('auth-' + type, ({ type, target, detail }) => {
    target.setAttribute('data-' + type, detail?.code ?? '')
    const state = target.getAttribute('data-state')
    const told = { account: target.accountId, type, state, code: detail?.code, at: Date.now() }
    if (page.tells) fetch('/events', { method: 'POST', keepalive: true, body: JSON.stringify(told) })
  })
}
`

/** Makes it; the elements are bundled from their sources. */
export async function createHost(options: HostOptions): Promise<Host> {
  const { outputFiles } = await build({
    stdin: { contents: pageScript, resolveDir: root, loader: 'ts' },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  const script = outputFiles[0]?.text ?? ''
  const host: Host = {
    headers: () => undefined,
    beforeToken: () => undefined,
    restore: () => {
      host.headers = () => undefined
      host.beforeToken = () => undefined
    },
    events: [],
    heard: (account, type) =>
      eventually(
        async () => host.events.find((one) => one.account === account && one.type === type),
        `${type} of ${account}`,
      ),
    listener: (req, res) => {
      answer(req, res, { ...options, script, host }).catch((error: unknown) =>
        send(res, 500, 'text/plain', String(error)),
      )
    },
  }
  return host
}

type Answering = HostOptions & { readonly script: string; readonly host: Host }

async function answer(req: IncomingMessage, res: ServerResponse, site: Answering): Promise<void> {
  const url = new URL(req.url ?? '/', site.origin)
  switch (`${req.method} ${url.pathname}`) {
    case 'GET /':
      await site.host.headers(req, res)
      return send(res, 200, 'text/html', await page(url.searchParams, site))
    case 'GET /app.js':
      return send(res, 200, 'text/javascript', site.script)
    case 'GET /elsewhere':
      return send(res, 200, 'text/html', '<!doctype html><title>Elsewhere</title><h1>Elsewhere</h1>')
    case 'POST /token': {
      await site.host.beforeToken(req, res)
      if (res.headersSent) return
      const { integrations, purpose } = JSON.parse(await read(req))
      const token = await mint(site, url.searchParams, integrations, purpose)
      return send(res, 200, 'application/json', JSON.stringify(token))
    }
    case 'POST /events':
      site.host.events.push(JSON.parse(await read(req)))
      return send(res, 200, 'text/plain', '')
    default:
      return send(res, 404, 'text/plain', 'nothing here')
  }
}

/** The account stands in the address: in a frame of another site a product has no cookie of its own. */
function mint(
  { servers, origin }: Answering,
  query: URLSearchParams,
  integrations: readonly string[],
  purpose: 'create' | 'reconnect' | 'manage',
) {
  return serverOf(servers, query).api.connectTokens.create({
    accountId: query.get('account') ?? '',
    integrations,
    purpose,
    origins: [origin],
    returnUrls: [`${origin}/?${query}`],
  })
}

function serverOf(servers: HostOptions['servers'], query: URLSearchParams) {
  const server = servers[query.get('server') ?? 'connect']
  if (!server) throw new TypeError('no such server')
  return server
}

/**
 * The page: `integrations` (default `crm`), `account`, `mode`, `method`, `panel`, `dir`; `token=inside` has the token in the page, which
 * then asks its own site for nothing; `cdn=tag | import` has no script of the product's, which then hears of no event.
 */
async function page(query: URLSearchParams, site: Answering): Promise<string> {
  const { url } = serverOf(site.servers, query)
  const account = query.get('account') ?? ''
  const inside = query.get('token') === 'inside'
  const flows = await Promise.all(
    (query.get('integrations') ?? 'crm').split(',').map(async (integration) => {
      const token = inside ? (await mint(site, query, [integration], 'create')).token : ''
      const how = `${inside ? `data-token="${token}"` : `token-url="/token?${escape(query)}"`} return-url="/?${escape(query)}"`
      const method = query.get('method') ?? 'oauth2'
      const endpoint = query.get('cdn') === 'tag' ? `endpoint="${url}"` : ''
      return `<auth-flow ${endpoint} integration="${integration}" account-id="${account}" mode="${query.get('mode') ?? 'popup'}"
  ${method && `method="${method}"`} ${how}><auth-trigger><button type="button">Connect ${integration}</button></auth-trigger>
  ${panel(query, `<h2>Connect ${integration}</h2><auth-form></auth-form>`)}<auth-status></auth-status></auth-flow>`
    }),
  )
  const cdn = query.get('cdn')
  const script = cdn ? await site.cdn.markup(cdn, url) : '<script type="module" src="/app.js"></script>'
  return `<!doctype html><html lang="en" ${query.get('dir') === 'rtl' ? 'dir="rtl"' : ''} data-endpoint="${url}" data-tells="${inside ? '' : 'all'}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Host</title>
<main><h1>Settings</h1>${flows.join('')}</main>${script}</html>`
}

/** `panel=dialog`, `panel=popover`, or in place. */
function panel(query: URLSearchParams, content: string): string {
  const kind = query.get('panel')
  const inner = kind === 'dialog' ? `<dialog>${content}</dialog>` : content
  return `<auth-panel hidden ${kind === 'popover' ? 'popover' : ''}>${inner}</auth-panel>`
}

const escape = (query: URLSearchParams): string => String(query).replaceAll('&', '&amp;')

async function read(req: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of req) body += chunk
  return body
}

function send(res: ServerResponse, status: number, type: string, body: string): void {
  res.writeHead(status, { 'content-type': `${type}; charset=utf-8` }).end(body)
}

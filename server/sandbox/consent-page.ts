// The pages a stand-in shows to people: consent, a refusal, and the viewer of what arrived. Plain HTML with a nonce'd
// style, works without scripts; labelled as a stand-in so that nobody takes it for the service.

import { randomBytes } from 'node:crypto'

import type { AuthorizationServer } from './oauth.ts'
import type { PendingRequest } from './oauth-request.ts'
import { html, parameters, redirect, type Exchange, type Reply, type Route } from './http.ts'

/** A person who can be at the keyboard, at one place of the provider. */
export interface Person {
  /** `ada`: value of the choice and part of its test id. */
  readonly id: string
  /** For people: `Ada Lovelace`. */
  readonly name: string
  /** Id of the workspace, organisation or shop. */
  readonly place: string
  /** `Acme`. */
  readonly placeName: string
}

/** How a provider's pages look and speak. */
export interface PageStyle {
  /** `Slack`. */
  readonly service: string
  /** `workspace`, `organisation`, `shop`. */
  readonly placeKind: string
  /** Colour of the head, as CSS; dark enough for white text. */
  readonly accent: string
  /** Scope in words; a scope without words is shown as it is. */
  readonly scopeWords: Readonly<Record<string, string>>
}

/** Options of {@link consentRoutes}. */
export interface ConsentOptions {
  readonly path: string
  readonly server: AuthorizationServer
  readonly style: PageStyle
  /** Who can be chosen; empty: the address does not exist. */
  people(exchange: Exchange): readonly Person[]
  /** Scopes that the query asks for. */
  scopes(query: URLSearchParams): { scopes: readonly string[]; userScopes?: readonly string[] }
  /** Adds what the provider puts on its callback beside `code` and `state`, and signs it. */
  finish?(callback: URLSearchParams, exchange: Exchange): void
}

/** A list the viewer shows. */
export interface ViewerSection {
  readonly title: string
  /** What is said when there are no rows. */
  readonly empty: string
  readonly rows: readonly { readonly head: string; readonly text: string; readonly meta: string }[]
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escape = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)

const styleSheet = (accent: string): string => `
:root{font:16px/1.5 system-ui,sans-serif;color:#1c1e21;background:#f3f4f6}
body{margin:0;min-height:100vh;display:flex;flex-direction:column}
.stand-in{background:#fff7d6;color:#5c4400;border-bottom:1px solid #e6d28a;padding:.5rem 1rem;text-align:center;font-size:.875rem}
main{width:min(34rem,100% - 2rem);margin:2rem auto;background:#fff;border:1px solid #d9dce1;border-radius:.75rem;overflow:hidden}
main.wide{width:min(56rem,100% - 2rem)}
header{background:${accent};color:#fff;padding:1rem 1.5rem}
header p{margin:0;font-size:.875rem}
h1{margin:0;font-size:1.25rem}h2{font-size:1rem;margin:1.5rem 0 .5rem}
.body{padding:1rem 1.5rem 1.5rem}
fieldset{border:1px solid #d9dce1;border-radius:.5rem;padding:.5rem 1rem;margin:0 0 1rem}
label{display:flex;gap:.75rem;align-items:center;padding:.5rem 0;cursor:pointer}
small{display:block;color:#5b616b}
ul{padding-left:1.25rem}li{margin:.25rem 0}
.actions{display:flex;gap:.75rem;justify-content:flex-end}
button{font:inherit;padding:.6rem 1.25rem;border-radius:.5rem;border:1px solid #7a818c;background:#fff;color:#1c1e21;cursor:pointer}
button[value=allow]{background:${accent};border-color:${accent};color:#fff}
button:focus-visible,input:focus-visible,a:focus-visible{outline:3px solid #1a73e8;outline-offset:2px}
.row{border-top:1px solid #e5e7eb;padding:.6rem 0}.row:first-of-type{border-top:0}
.row b{display:block;font-size:.875rem}.row p{margin:.15rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
code{overflow-wrap:anywhere;font-size:.8125rem}
`

interface Page {
  readonly title: string
  readonly body: string
  readonly style: PageStyle
  readonly script?: string
  readonly head?: string
  readonly wide?: boolean
  readonly status?: number
}

function page({ title, body, style, script, head = '', wide = false, status = 200 }: Page): Reply {
  const nonce = randomBytes(16).toString('base64')
  const document = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(title)}</title>
${head}<style nonce="${nonce}">${styleSheet(style.accent)}</style></head><body>
<aside class="stand-in" aria-label="About this page">Stand-in ${escape(style.service)} – runs on this machine, no real account</aside>
<main${wide ? ' class="wide"' : ''}>${body}</main>
${script === undefined ? '' : `<script nonce="${nonce}">${script}</script>`}</body></html>`
  // form-action is left out: Chromium would apply it to every redirect that follows the answer.
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'`
  return html(document, status, { 'content-security-policy': policy })
}

/** A page that says why nothing can be done here. */
function problemPage(style: PageStyle, message: string, status = 400): Reply {
  const body = `<header><h1>${escape(style.service)}</h1></header><div class="body"><p data-testid="sandbox-problem">${escape(message)}</p></div>`
  return page({ title: `Stand-in ${style.service}`, body, style, status })
}

function consentPage(
  style: PageStyle,
  request: PendingRequest,
  people: readonly Person[],
  action: string,
): Reply {
  const scopes = [...new Set([...request.scopes, ...request.userScopes])]
  const choices = people.map(
    (person, index) => `<label><input type="radio" name="person" value="${escape(person.id)}" required
 data-testid="sandbox-person-${escape(person.id)}"${index === 0 ? ' checked' : ''}>
<span>${escape(person.name)}<small>${escape(style.placeKind)} ${escape(person.placeName)}</small></span></label>`,
  )
  const wishes = scopes.map((scope) => `<li>${escape(style.scopeWords[scope] ?? scope)}</li>`)
  const body = `<header><p>${escape(style.service)}</p><h1>An app asks for access</h1></header>
<form class="body" method="post" action="${escape(action)}" data-testid="sandbox-consent">
<input type="hidden" name="request" value="${escape(request.id)}">
<fieldset><legend>Who are you?</legend>${choices.join('')}</fieldset>
<h2>The app will be able to</h2><ul>${wishes.join('') || '<li>See who you are</li>'}</ul>
<p><small>You will be sent back to ${escape(new URL(request.redirectUri).host)}.</small></p>
<div class="actions">
<button type="submit" name="decision" value="deny" data-testid="sandbox-deny">Deny</button>
<button type="submit" name="decision" value="allow" data-testid="sandbox-allow">Allow</button>
</div></form>`
  return page({ title: `Allow access – stand-in ${style.service}`, body, style })
}

/** GET shows who asks for what; POST takes the decision and sends the browser back to the app. */
export function consentRoutes(options: ConsentOptions): readonly Route[] {
  const { path, server, style } = options
  const sendBack = (
    redirectUri: string,
    values: Record<string, string | undefined>,
    exchange: Exchange,
  ): Reply => {
    const url = new URL(redirectUri)
    for (const [name, value] of Object.entries(values))
      if (value !== undefined) url.searchParams.set(name, value)
    options.finish?.(url.searchParams, exchange)
    return redirect(url.href)
  }
  return [
    {
      method: 'GET',
      path,
      handle(exchange) {
        const people = options.people(exchange)
        if (people.length === 0) return problemPage(style, `There is no such ${style.placeKind} here.`, 404)
        const opened = server.open(exchange.query, options.scopes(exchange.query))
        if ('id' in opened) return consentPage(style, opened, people, exchange.path)
        if (opened.where === 'page') return problemPage(style, opened.message)
        const { error, description, state } = opened
        return sendBack(opened.redirectUri, { error, error_description: description, state }, exchange)
      },
    },
    {
      method: 'POST',
      path,
      async handle(exchange) {
        const form = parameters(exchange)
        const request = server.find(form.get('request') ?? '')
        if (!request) return problemPage(style, 'This page is too old. Go back to the app and start again.')
        const person = options.people(exchange).find((one) => one.id === form.get('person'))
        const allowed = form.get('decision') === 'allow'
        if (allowed && !person) return problemPage(style, 'Choose who you are.')
        const code = await server.decide(request, allowed ? person : undefined)
        const { state } = request
        if (code !== undefined) return sendBack(request.redirectUri, { code, state }, exchange)
        return sendBack(
          request.redirectUri,
          { error: 'access_denied', error_description: 'The person said no.', state },
          exchange,
        )
      },
    },
  ]
}

// Only the part that is shown is parsed: the style of the fetched page has another nonce.
const refreshScript = `
const shown = document.querySelector('[role=log]')
setInterval(async () => {
  const answer = await fetch(location.pathname).catch(() => undefined)
  if (!answer || !answer.ok) return
  const text = await answer.text()
  const part = text.slice(text.indexOf('<main'), text.indexOf('</main>'))
  const next = new DOMParser().parseFromString(part, 'text/html').querySelector('[role=log]')
  if (next && next.innerHTML !== shown.innerHTML) shown.innerHTML = next.innerHTML
}, 1000)`

/** What a viewer shows beside what arrived. */
export interface ViewerExtras {
  /** Lines to be copied. */
  readonly notes?: readonly { readonly label: string; readonly value: string }[]
  /** One thing that a person can do here: a text to type, as one of the people. */
  readonly form?: {
    readonly action: string
    readonly label: string
    readonly button: string
    readonly people: readonly Person[]
  }
}

function viewerForm(form: ViewerExtras['form']): string {
  if (!form) return ''
  const people = form.people.map(
    ({ id, name, placeName }) =>
      `<option value="${escape(id)}">${escape(name)} of ${escape(placeName)}</option>`,
  )
  return `<form class="body" method="post" action="${escape(form.action)}" data-testid="sandbox-form">
<label>${escape(form.label)} <input name="text" required maxlength="200" data-testid="sandbox-text"></label>
<label>as <select name="person" data-testid="sandbox-as">${people.join('')}</select></label>
<button data-testid="sandbox-submit">${escape(form.button)}</button></form>`
}

/** The page at `/`: what arrived so far, kept up to date. */
export function viewerPage(
  style: PageStyle,
  sections: readonly ViewerSection[],
  { notes = [], form }: ViewerExtras = {},
): Reply {
  const lists = sections.map(({ title, empty, rows }) => {
    const items = rows.map(
      (row) =>
        `<div class="row" data-testid="sandbox-row"><b>${escape(row.head)}</b><p>${escape(row.text)}</p><small>${escape(row.meta)}</small></div>`,
    )
    return `<h2>${escape(title)}</h2><div>${items.join('') || `<p><small>${escape(empty)}</small></p>`}</div>`
  })
  const lines = notes.map(
    ({ label, value }) =>
      `<p><small>${escape(label)}</small><code data-testid="sandbox-note">${escape(value)}</code></p>`,
  )
  const body = `<header><p>What arrived at</p><h1>Stand-in ${escape(style.service)}</h1></header>
${viewerForm(form)}<div class="body" role="log" aria-label="What arrived">${lists.join('')}${lines.join('')}</div>`
  const head = '<noscript><meta http-equiv="refresh" content="2"></noscript>'
  return page({ title: `Stand-in ${style.service}`, body, style, script: refreshScript, head, wide: true })
}

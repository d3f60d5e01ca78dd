// The connect page as HTML: a card with the elements for each integration, in the account's language. Its one script is
// the package's own; what the elements need to know stands in the page, so that they ask for nothing before a click.

import type { ConnectPageView } from '../connect/connect.ts'
import { escapeHtml, palette, scriptJson } from './html.ts'
import { fillText, type LanguageTexts } from './page-texts.ts'

/** What a page is made of. */
export interface ConnectPageParts {
  readonly view: ConnectPageView
  readonly texts: LanguageTexts
  readonly nonce: string
  /** The server's URL, without a slash at its end. */
  readonly server: string
  /** Address of the script. */
  readonly script: string
}

/** The whole page. */
export function renderConnectPage({ view, texts, nonce, server, script }: ConnectPageParts): string {
  const say = (text: string): string => escapeHtml(fillText(text, { host: view.host }))
  const definitions = Object.fromEntries(
    view.integrations.map(({ definition }) => [definition.id, definition]),
  )
  return `<!doctype html>
<html lang="${escapeHtml(texts.language)}" dir="${texts.direction}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${say(texts.pageTitle)}</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${style}</style>
<main>
<h1>${say(texts.pageTitle)}</h1>
<p>${say(texts.pageHint)}</p>
<noscript><p class="bad">${say(texts.needsScript)}</p></noscript>
<ul>
${view.integrations.map((row) => card(row, { view, texts })).join('\n')}
</ul>
<a class="back" href="${escapeHtml(view.returnUrl)}" rel="noreferrer">${say(texts.back)}</a>
</main>
<script type="application/json" id="authflow">${scriptJson({ endpoint: server, definitions })}</script>
<script type="module" nonce="${nonce}" src="${escapeHtml(script)}"></script>
</html>
`
}

function card(
  { definition: { id, name }, connection }: ConnectPageView['integrations'][number],
  { view, texts }: Pick<ConnectPageParts, 'view' | 'texts'>,
): string {
  const say = (text: string): string => escapeHtml(fillText(text, { name }))
  const can = (purpose: ConnectPageView['purposes'][number]): boolean => view.purposes.includes(purpose)
  const state = connection?.state ?? 'none'
  const attributes = {
    integration: id,
    mode: 'redirect',
    'token-url': `${view.url}/token`,
    'return-url': view.url,
    locale: texts.language,
    status: state,
    ...(connection === undefined ? {} : { identity: connection.identity.label }),
  }
  const written = Object.entries(attributes).map(([key, value]) => `${key}="${escapeHtml(value)}"`)
  const begins = can('create') || can('reconnect')
  // Configuring takes a token of that purpose.
  const kind = can('reconnect') ? '' : ' class="new"'
  return `<li aria-labelledby="${escapeHtml(id)}">
<h2 id="${escapeHtml(id)}">${escapeHtml(name)}</h2>
<auth-flow${kind} ${written.join(' ')}>
<auth-status></auth-status>
<div class="acts">
${begins ? `<auth-trigger><button type="button">${say(texts.linkTitle)}</button></auth-trigger>` : ''}
${can('reconnect') ? `<button type="button" class="later" data-auth-action="reconnect">${say(texts.again)}</button>` : ''}
${can('manage') ? `<button type="button" class="later" data-auth-action="disconnect">${say(texts.disconnect)}</button>` : ''}
</div>
<auth-panel hidden><auth-form></auth-form></auth-panel>
</auth-flow>
</li>`
}

const style = `${palette}
body{margin:0;padding:clamp(1rem,5vw,3rem) 1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:36rem;margin:0 auto}
h1{margin:0;font-size:1.5rem;line-height:1.3;font-weight:650;overflow-wrap:anywhere;text-wrap:balance}
h1+p{margin:.25rem 0 1.5rem;color:var(--soft);overflow-wrap:anywhere}
ul{display:grid;gap:1rem;margin:0 0 1.5rem;padding:0;list-style:none}
li[aria-labelledby]{padding:1.25rem;border:1px solid var(--line);border-radius:1rem;background:var(--paper)}
h2{margin:0;font-size:1.125rem;overflow-wrap:anywhere}
auth-flow{display:block}
[data-part=status]:not(:empty){margin-top:.25rem;color:var(--soft);overflow-wrap:anywhere}
auth-status button,auth-status a{display:inline-block;margin-top:.5rem}
.new [data-auth-action=configure]{display:none}
auth-flow[data-state=failed] [data-part=status],[data-part=error],.bad{color:var(--bad)}
auth-flow[data-connection=active]:not([data-state=failed]) [data-part=status]{color:var(--good)}
.acts{display:flex;flex-wrap:wrap;gap:.5rem;margin-top:.75rem}
.acts:empty,auth-flow[data-connection=active] auth-trigger,auth-flow:not([data-connection=active]) .later{display:none}
button,.back{display:inline-block;padding:.5rem 1rem;border:1px solid var(--act);border-radius:.6rem;background:none;color:var(--act);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
auth-flow:not([data-open]) auth-trigger button,[type=submit]{background:var(--act);color:var(--paper)}
.later,[data-part=reveal],.back{border:0;padding-inline:0;margin-inline-end:1rem}
button:hover,.back:hover{text-decoration:underline}
button:disabled{opacity:.6;cursor:default}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
auth-panel{display:block;margin-top:1rem;padding-top:.25rem;border-top:1px solid var(--line)}
auth-panel[hidden]{display:none}
[data-part=field]{display:grid;gap:.25rem;margin-block:1rem;justify-items:start}
label,legend{padding:0;font-weight:600}
[data-part=methods]{display:grid;gap:.25rem;margin:1rem 0;padding:0;border:0}
[data-part=method]{display:flex;gap:.5rem;font-weight:400}
[data-part=input]{width:100%;padding:.5rem .75rem;border:1px solid var(--soft);border-radius:.6rem;background:var(--paper);color:inherit;font:inherit}
[type=checkbox][data-part=input]{width:auto}
[aria-invalid=true]{border-color:var(--bad)}
[data-part=description],[data-part=error]{margin:0;font-size:.9rem}
[data-part=description],[data-part=scopes]{color:var(--soft)}
[data-part=scopes] ul{display:block;margin:.25rem 0 1rem;padding-inline-start:1.25rem;list-style:disc}
a[data-part=help]{color:var(--act);font-size:.9rem}
@media(max-width:26rem){.acts button,[type=submit]{width:100%}.acts auth-trigger{width:100%}.later{text-align:start}}
`

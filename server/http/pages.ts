// The few pages that people see on the way to a provider and back. Plain HTML with its own small style; without
// script each one still says what happened and where to go. Nothing is loaded from anywhere.

import type { Context } from 'koa'
import type { ErrorCode } from '../../shared/errors.ts'
import { pollChannelName } from '../../shared/flow.ts'
import type { CallbackOutcome, LinkView } from '../connect/connect.ts'
import { allowInline } from './headers.ts'
import { escapeHtml, palette, scriptJson } from './html.ts'
import { fillText, textsFor, type LanguageTexts, type OwnPageTexts } from './page-texts.ts'

interface Page {
  readonly texts: LanguageTexts
  readonly mark: 'leaving' | 'done' | 'stopped'
  readonly title: string
  readonly hint: string
  readonly code?: string | undefined
  readonly link?: { readonly href: string; readonly label: string }
  /** Label of a button that posts to the page's own address. */
  readonly button?: string
  /** Runs once the page is shown. */
  readonly script: string
}

/** Script lines that drop code and state from the address, and from what the browser remembers of it. */
const cleanAddress = "history.replaceState(null,'',location.pathname)"

/** The pages, with the host's own words. */
export interface Pages {
  /** Sends the browser on to the provider. `location` is where the connect service says. */
  start(ctx: Context, location: string, locale: string | undefined): Promise<void>
  /** Says who asks for what, and goes on only by its button. */
  link(ctx: Context, view: LinkView): Promise<void>
  /** Says how the flow ended, tells the page that waits for it, and closes or goes back. */
  outcome(ctx: Context, outcome: CallbackOutcome): Promise<void>
  /** Says that no flow could be told, and the code for those who are asked about it. */
  error(ctx: Context, code: ErrorCode): Promise<void>
}

/** The pages of a server. */
export function createPages(own: OwnPageTexts = {}): Pages {
  const read = (ctx: Context, locale: string | undefined): Promise<LanguageTexts> =>
    textsFor(locale, ctx.get('accept-language'), own)
  return {
    async start(ctx, location, locale) {
      const texts = await read(ctx, locale)
      send(ctx, {
        texts,
        mark: 'leaving',
        title: texts.leaving,
        hint: texts.leavingHint,
        link: { href: location, label: texts.goOn },
        script: `location.replace(${scriptJson(location)})`,
      })
    },
    async link(ctx, { integrationName: name, host, locale }) {
      const texts = await read(ctx, locale)
      // The button's POST must carry this origin, which it does not where the page sends no referrer at all.
      ctx.set('referrer-policy', 'same-origin')
      send(ctx, {
        texts,
        mark: 'leaving',
        title: fillText(texts.linkTitle, { name }),
        hint: fillText(texts.linkHint, { host }),
        button: texts.goOn,
        script: '',
      })
    },
    outcome: async (ctx, outcome) => send(ctx, outcomePage(outcome, await read(ctx, outcome.locale))),
    async error(ctx, code) {
      const texts = await read(ctx, undefined)
      const hint = adviceOn(texts, code)
      send(ctx, { texts, mark: 'stopped', title: texts.broken, hint, code, script: cleanAddress })
    },
  }
}

const marks: Readonly<Record<CallbackOutcome['result'], Page['mark']>> = {
  done: 'done',
  confirm: 'leaving',
  configure: 'leaving',
  cancelled: 'stopped',
  failed: 'stopped',
}

function outcomePage(outcome: CallbackOutcome, texts: LanguageTexts): Page {
  const { integrationName: name, result, returnUrl, errorCode } = outcome
  const titles = {
    done: texts.connected,
    cancelled: texts.cancelled,
    failed: texts.failed,
    confirm: texts.almost,
    configure: texts.almost,
  }
  const advice = errorCode === undefined ? undefined : adviceOn(texts, errorCode)
  const back = outcome.mode === 'redirect' && returnUrl !== undefined ? returnUrl : undefined
  const leave = back === undefined ? 'window.close()' : `location.replace(${scriptJson(back)})`
  return {
    texts,
    mark: marks[result],
    title: fillText(titles[result], { name }),
    hint: [advice, back === undefined ? texts.closeHint : texts.returnHint].filter(Boolean).join(' '),
    code: errorCode,
    ...(back === undefined ? {} : { link: { href: back, label: texts.goOn } }),
    script: `try{new BroadcastChannel(${scriptJson(pollChannelName)}).postMessage('poll now')}catch{}${cleanAddress};${leave}`,
  }
}

function adviceOn(texts: LanguageTexts, code: string): string {
  const advice = Object.entries(texts.advice).find(([known]) => known === code)
  return advice?.[1] ?? texts.otherAdvice
}

function send(ctx: Context, page: Page): void {
  const nonce = allowInline(ctx, page.button === undefined ? "'none'" : "'self'")
  ctx.vary('Accept-Language')
  ctx.set('content-language', page.texts.language)
  ctx.type = 'text/html; charset=utf-8'
  ctx.body = render(page, nonce)
}

function render({ texts, mark, title, hint, code, link, button, script }: Page, nonce: string): string {
  return `<!doctype html>
<html lang="${escapeHtml(texts.language)}" dir="${texts.direction}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style nonce="${nonce}">${style}</style>
<main>
<svg class="${mark}" viewBox="0 0 48 48" aria-hidden="true">${drawings[mark]}</svg>
<h1>${escapeHtml(title)}</h1>
<p role="status">${escapeHtml(hint)}</p>
${link ? `<a href="${escapeHtml(link.href)}" rel="noreferrer">${escapeHtml(link.label)}</a>` : ''}
${button === undefined ? '' : `<form method="post"><button>${escapeHtml(button)}</button></form>`}
${code === undefined ? '' : `<small>${escapeHtml(texts.code)}: <code>${escapeHtml(code)}</code></small>`}
</main>
<script nonce="${nonce}">${script}</script>
</html>
`
}

const drawings: Record<Page['mark'], string> = {
  leaving: '<circle cx="24" cy="24" r="20"/><path d="M15 24h18m-7-7 7 7-7 7"/>',
  done: '<circle cx="24" cy="24" r="20"/><path d="m15 25 6 6 12-13"/>',
  stopped: '<circle cx="24" cy="24" r="20"/><path d="M24 14v13m0 6v.5"/>',
}

const style = `${palette}
body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center;padding:1.5rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{display:grid;justify-items:center;gap:.75rem;width:100%;max-width:24rem;padding:2.5rem 2rem;border:1px solid var(--line);border-radius:1rem;background:var(--paper);text-align:center}
svg{width:3rem;height:3rem;fill:none;stroke:var(--act);stroke-width:2.5;stroke-linecap:round;stroke-linejoin:round}
svg.done{stroke:var(--good)}
svg.stopped{stroke:var(--bad)}
h1{margin:.25rem 0 0;font-size:1.25rem;line-height:1.3;font-weight:650;overflow-wrap:anywhere;text-wrap:balance}
p{margin:0;color:var(--soft)}
a,button{margin-top:.5rem;padding:.55rem 1.25rem;border:1px solid currentcolor;border-radius:.6rem;color:var(--act);font:inherit;font-weight:600;text-decoration:none;background:none;cursor:pointer}
a:hover,button:hover{text-decoration:underline}
a:focus-visible,button:focus-visible{outline:3px solid var(--act);outline-offset:2px}
small{margin-top:.5rem;color:var(--soft)}
code{font-family:ui-monospace,monospace;unicode-bidi:isolate}
[dir=rtl] svg.leaving{transform:scaleX(-1)}
`

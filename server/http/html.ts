// Puts texts into pages so that nothing in them can become markup or script.

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** A text that can stand between tags or in a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character] ?? '')

/** JSON that can stand in a script element: nothing in it can end the script. */
export const scriptJson = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')

/** Colours of all pages, light and dark. */
export const palette = `
:root{color-scheme:light dark;--ink:#14181f;--soft:#5b6472;--line:#dfe3e8;--paper:#fff;--ground:#f5f6f8;--act:#1f5fd6;--good:#12805c;--bad:#b3401f}
@media(prefers-color-scheme:dark){:root{--ink:#f0f2f5;--soft:#a3abb8;--line:#323842;--paper:#1b1f26;--ground:#12151a;--act:#7aa5ff;--good:#4cc79a;--bad:#f0906f}}
*{box-sizing:border-box}`
